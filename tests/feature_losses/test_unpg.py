"""Unified negative pair generation, against NumPy, worked examples and its edges."""

import math

import numpy as np
import pytest
import torch

from cones import UNPG, ArcFace, CosFace, margin_softmax
from tests.losses import problem
from tests.narrowing import grad_of

SETTINGS = [
    UNPG(),
    UNPG(margin=0.3, scale=5.0),
    UNPG(margin=0.2, scale=5.0, kind="cos"),
    UNPG(margin=0.2, scale=5.0, kind="cos", whisker=None),
    UNPG(margin=0.3, scale=5.0, whisker=0.3),
]
each_setting = pytest.mark.parametrize("loss", SETTINGS, ids=repr)


def formula(loss, x, w, y):
    """(N,) losses in float64 NumPy, pair by pair."""
    x, w = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, w))
    cosine = x @ w.T
    pairs = np.sort([x[a] @ x[b] for a in range(len(x)) for b in range(a) if y[a] != y[b]])
    if loss.whisker is not None:
        low, high = pairs[int(0.25 * len(pairs))], pairs[int(0.75 * len(pairs))]
        reach = loss.whisker * (high - low)
        pairs = pairs[(pairs >= low - reach) & (pairs <= high + reach)]
    theta = np.arccos(cosine[np.arange(len(x)), y])
    past = theta > np.pi - loss.margin
    arc = np.where(past, -2 - np.cos(theta + loss.margin), np.cos(theta + loss.margin))
    target = loss.scale * (arc if loss.kind == "arc" else np.cos(theta) - loss.margin)
    losses = []
    for i in range(len(x)):
        others = np.concatenate([np.delete(cosine[i], y[i]), pairs]) * loss.scale
        losses.append(np.logaddexp(0, np.logaddexp.reduce(others) - target[i]))
    return np.array(losses)


@each_setting
def test_value_equals_the_formula(loss):
    x, w, y, _ = problem(n=11, k=4)
    np.testing.assert_allclose(
        loss(x, w, y, "none").numpy(), formula(loss, x.numpy(), w.numpy(), y.numpy()), rtol=1e-12, atol=1e-12
    )


@each_setting
def test_gradcheck(loss):
    x, w, y, _ = problem(n=7, k=3, d=4)
    leaves = [tensor.requires_grad_() for tensor in (x, w)]
    assert torch.autograd.gradcheck(lambda x, w: loss(x, w, y, "none"), leaves)


def test_the_whiskers_leave_out_what_stands_apart():
    """Nine rows at right angles to the one of the other class, and one on top of it: a wrong label."""
    x = torch.zeros(10, 12, dtype=torch.float64)
    x[torch.arange(10), torch.arange(10)] = 1
    x[9] = x[0]
    y = torch.tensor([0, *[1] * 9])
    w = torch.eye(12, dtype=torch.float64)[10:]
    # all cosines are 0 but that of the one pair; kept are 8 pairs and the other class, or 9 with a cosine of 1
    kept, all_pairs = (UNPG(margin=0.0, scale=1.0, whisker=r)(x, w, y, "none") for r in (1.5, None))
    torch.testing.assert_close(kept, torch.full_like(kept, math.log(10)))
    torch.testing.assert_close(all_pairs, torch.full_like(kept, math.log(10 + math.e)))


def test_gradient_pushes_both_rows_of_a_pair_apart():
    x = torch.tensor([[1.0, 0.1], [1.0, -0.1]], requires_grad=True)
    UNPG(margin=0.0, scale=4.0)(x, torch.zeros(2, 2), torch.tensor([0, 1])).backward()
    assert grad_of(x)[0, 1] < 0 < grad_of(x)[1, 1]


@pytest.mark.parametrize(("kind", "margin"), [("arc", ArcFace(0.3, 8.0)), ("cos", CosFace(0.3, 8.0))])
def test_without_negative_pairs_it_is_the_margin_softmax(kind, margin):
    x, w, _, _ = problem()
    for y in (torch.full((7,), 4), torch.arange(7)):
        rows = slice(None) if y[0] == 4 else slice(1)  # all of one class; one row
        loss = UNPG(margin=0.3, scale=8.0, kind=kind)(x[rows], w, y[rows], "none")
        assert torch.equal(loss, margin_softmax(x[rows], w, y[rows], margin))


def test_one_class_is_0():
    x, w, _, _ = problem(k=1)
    x.requires_grad_()
    loss = UNPG()(x, w.requires_grad_(), torch.zeros(7, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert (x.grad == 0).all()
    assert (w.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_edges_are_finite(dtype):
    """Rows on and against each other and their class, a zero row, a zero weight, two dims."""
    x = torch.tensor([[4.0, 0], [-4.0, 0], [4.0, 0], [0, 0], [0, 2.0]], dtype=dtype, requires_grad=True)
    w = torch.tensor([[2.0, 0], [0, 1.0], [0, 0]], requires_grad=True)
    loss = UNPG()(x, w, torch.tensor([0, 0, 1, 1, 2]))
    loss.backward()
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.isfinite(loss)
    assert torch.isfinite(grad_of(x)).all()
    assert torch.isfinite(grad_of(w)).all()
    assert (grad_of(x)[3] == 0).all()
    assert (grad_of(w)[2] == 0).all()


def test_order_of_rows_does_not_matter():
    x, w, y, _ = problem(n=12, k=4)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    loss = UNPG(scale=6.0)
    torch.testing.assert_close(loss(x[order], w, y[order], "none"), loss(x, w, y, "none")[order], rtol=1e-12, atol=0)


def test_autocast_changes_nothing():
    x, w, y, _ = problem(dtype=torch.float32)
    outside = UNPG(scale=6.0)(x, w, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(UNPG(scale=6.0)(x, w, y), outside)


X, W, Y, _ = problem()
WRONG = [
    (lambda: UNPG(margin=-0.1), r"UNPG: margin is -0.1, expected a finite number of at least 0"),
    (lambda: UNPG(scale=0.0), r"UNPG: scale is 0.0, expected a finite number above 0"),
    (lambda: UNPG(kind="mag"), r"UNPG: kind is 'mag', expected 'arc' or 'cos'"),  # type: ignore[arg-type]
    (lambda: UNPG(whisker=-1.0), r"UNPG: whisker is -1.0, expected a finite number of at least 0, or None"),
    (lambda: UNPG(whisker=math.inf), r"UNPG: whisker is inf, expected a finite number of at least 0, or None"),
    (lambda: UNPG()(X, W[:, :3], Y), r"features has 5 dims and weight 3"),
    (lambda: UNPG()(X, W, Y + 30), r"labels\[0\] is \d+, but the head has 23 classes"),
    (lambda: UNPG()(X, W, Y, "avg"), r"reduction is 'avg'"),
]


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text for _, text in WRONG])
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()
