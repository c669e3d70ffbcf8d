"""Variational prototype learning: the memory, when it counts, and the gradient through the mixing."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from cones import VPL, ArcFace, CosFace, Margin, NormFace, Rows, Softmax, margin_softmax
from tests.losses import problem
from tests.narrowing import grad_of

each_margin = pytest.mark.parametrize("margin", [ArcFace(scale=8.0), NormFace(), Softmax()], ids=repr)


@dataclass(frozen=True)
class Counting(Margin):
    """A margin with a running number: the mean cosine to the own class, which it subtracts."""

    scale: float | Tensor = 4.0

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - rows.statistics["mean"])

    def init_statistics(self, num_classes: int) -> dict[str, float]:
        return {"mean": 0.1}

    def update_statistics(self, statistics, rows, rest):
        return {"mean": 0.5 * statistics["mean"] + 0.5 * rows.similarity.mean()}


def test_halfway_between_the_weight_and_the_feature():
    loss = VPL(3, 2, margin=NormFace(scale=2.0), share=0.5, start=0)
    x, y, w = torch.tensor([[0.0, 7.0]]), torch.tensor([0]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    loss.update(x, y)
    half = math.sqrt(0.5)
    torch.testing.assert_close(loss.prototypes(w), torch.tensor([[half, half], [0.0, 1.0], [-1.0, 0.0]]))
    # cosines of (0, 1) to them: sqrt(1/2), 1, 0
    expected = math.log(math.exp(2 * half) + math.exp(2) + 1) - 2 * half
    assert loss(x, w, y).item() == pytest.approx(expected, rel=1e-6)


def in_numpy(loss, w, history):
    """Prototypes (K, D) by the formula, after (features, labels) of each step so far."""
    now, prototypes = len(history) + 1, []
    for j, row in enumerate(w):
        mixed = row / np.linalg.norm(row)
        for step, (x, y) in enumerate(history, start=1):
            for feature, label in zip(x, y, strict=True):
                if label == j and now > loss.start:
                    share = loss.share if now - step <= loss.delta else 0.0
                    mixed = (1 - share) * row / np.linalg.norm(row) + share * feature / np.linalg.norm(feature)
        prototypes.append(np.linalg.norm(row) * mixed / np.linalg.norm(mixed))
    return np.array(prototypes)


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("delta", [0, 1, 2, 100])
def test_prototypes_over_many_steps_equal_the_formula(start, delta):
    loss = VPL(9, 5, share=0.3, delta=delta, start=start).double()
    _, w, _, _ = problem(k=9)
    history: list[tuple[np.ndarray, np.ndarray]] = []
    for step in range(8):
        np.testing.assert_allclose(loss.prototypes(w).numpy(), in_numpy(loss, w.numpy(), history), rtol=1e-12)
        x, _, y, _ = problem(n=4, k=9, seed=step)  # some classes twice in a batch: the last row is remembered
        loss.update(x, y)
        history.append((x.numpy(), y.numpy()))


@each_margin
def test_before_its_start_and_for_classes_never_seen_it_is_the_margin(margin):
    x, w, y, _ = problem()
    loss = VPL(23, 5, margin=margin, start=1).double()
    assert torch.equal(loss(x, w, y, "none"), margin_softmax(x, w, y, margin))
    loss.update(x, y)
    assert not torch.allclose(loss(x, w, y, "none"), margin_softmax(x, w, y, margin))
    empty = VPL(23, 5, margin=margin, start=0).double()
    torch.testing.assert_close(empty(x, w, y, "none"), margin_softmax(x, w, y, margin), rtol=1e-12, atol=1e-12)


@each_margin
def test_gradcheck_through_the_mixing(margin):
    x, w, y, _ = problem(n=5, k=6, d=3)
    loss = VPL(6, 3, margin=margin, share=0.4, start=0).double()
    loss.update(*problem(n=4, k=6, d=3, seed=8)[::2])
    leaves = [tensor.requires_grad_() for tensor in (x, w)]
    assert torch.autograd.gradcheck(lambda x, w: loss(x, w, y, "none"), leaves)


def test_an_update_after_the_backward_of_a_kept_graph_changes_nothing():
    x, w, y, _ = problem()
    loss = VPL(23, 5, share=0.4, start=0).double()
    loss.update(x, y)
    value = loss(x, w.requires_grad_(), y)
    value.backward(retain_graph=True)
    first, w.grad = w.grad.clone(), None
    loss.update(2 - x, y)
    value.backward()
    assert torch.equal(w.grad, first)


def test_memory_is_saved_and_resumed():
    x, w, y, _ = problem(dtype=torch.float32)
    loss, other = (VPL(23, 5, margin=CosFace(scale=8.0), start=2) for _ in range(2))
    for seed in range(4):
        loss.update(*problem(dtype=torch.float32, seed=seed)[::2])
    assert set(loss.state_dict()) == {"memory", "seen", "steps"}
    assert not list(loss.parameters())
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other(x, w, y), loss(x, w, y))
    assert other.steps.item() == 4
    for one in (loss, other):
        one.update(x, y)
    assert torch.equal(other(x, w, y), loss(x, w, y))


def test_running_numbers_of_the_margin():
    x, w, y, _ = problem()
    loss = VPL(23, 5, margin=Counting(), start=0).double()
    own = torch.nn.functional.cosine_similarity(x, w[y]).mean()
    torch.testing.assert_close(
        loss(x, w, y), margin_softmax(x, w, y, Counting(), statistics={"mean": 0.05 + 0.5 * own}).mean()
    )
    torch.testing.assert_close(loss.running_mean, 0.05 + 0.5 * own)
    assert "running_mean" in loss.state_dict()
    loss.eval()(x, w, y)
    torch.testing.assert_close(loss.running_mean, 0.05 + 0.5 * own)


def test_a_zero_feature_leaves_its_class_where_it_is():
    _, w, _, _ = problem(k=3)
    loss = VPL(3, 5, start=0).double()
    loss.update(torch.zeros(1, 5), torch.tensor([1]))
    torch.testing.assert_close(loss.prototypes(w), w)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_edges_are_finite(dtype):
    """A feature against its class so that the mixture vanishes, zero features and weights, two dims."""
    x = torch.tensor([[-4.0, 0], [0, 0], [0, 300.0]], dtype=dtype, requires_grad=True)
    w, y = torch.tensor([[2.0, 0], [0, 1.0], [0, 0]], requires_grad=True), torch.tensor([0, 1, 2])
    loss = VPL(3, 2, share=0.5, start=0)
    loss.update(x, y)
    value = loss(x, w, y)
    value.backward()
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.isfinite(value)
    assert torch.isfinite(grad_of(x)).all()
    assert torch.isfinite(grad_of(w)).all()


def test_no_rows_count_as_a_step():
    loss = VPL(3, 2, start=0)
    x, y = torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)
    assert loss(x, torch.eye(3)[:, :2], y).item() == 0
    loss.update(x, y)
    assert loss.steps.item() == 1
    assert (loss.seen == 0).all()


def test_it_shows_its_configuration():
    text = "VPL(num_classes=3, dim=2, margin=NormFace(scale=20.0), share=0.15, delta=200, start=8000)"
    assert repr(VPL(3, 2, margin=NormFace())) == text


X, W, Y, _ = problem()
WRONG = [
    (lambda: VPL(0, 2), ValueError, r"VPL: num_classes is 0 and dim 2, expected at least 1 each"),
    (lambda: VPL(3, 2, margin=0.5), TypeError, r"VPL: margin is 0.5, expected a cones.Margin"),  # type: ignore[arg-type]
    (lambda: VPL(3, 2, share=1.0), ValueError, r"VPL: share is 1.0, expected a number in \[0, 1\)"),
    (lambda: VPL(3, 2, delta=-1), ValueError, r"VPL: delta is -1, expected a number of steps of at least 0"),
    (lambda: VPL(3, 2, start=-1), ValueError, r"VPL: start is -1, expected a number of steps"),
    (lambda: VPL(3, 2, margin=CosFace((0.1,))), ValueError, r"CosFace: margin has 1 numbers, but there are 3 classes"),
    (lambda: VPL(22, 5)(X, W, Y), ValueError, r"weight has shape \(23, 5\), expected \(22, 5\)"),
    (lambda: VPL(23, 5)(X, W, Y + 30), ValueError, r"labels\[0\] is \d+, but the head has 23 classes"),
    (lambda: VPL(23, 5)(X, W, Y, "avg"), ValueError, r"reduction is 'avg'"),
    (
        lambda: VPL(23, 5).update(X[:, :3], Y),
        ValueError,
        r"features has shape \(7, 3\), expected \(N, 5\)",
    ),
    (lambda: VPL(3, 5).update(X, Y), ValueError, r"labels\[\d\] is \d+, but the head has 3 classes"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
