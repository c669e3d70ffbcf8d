"""Sampled classes: which are taken, what the loss is over, and the bias of its gradients."""

import copy

import pytest
import torch

import cones
from cones import ArcFace, ClassSGD, CosFace, CurricularFace, Head, NPCFace, SphereFace2, margin_softmax
from tests.losses import Bending, problem
from tests.narrowing import grad_of, not_none

K = 100
MARGINS = [
    (ArcFace(0.2, 8.0), {"bias": True}),
    (cones.Softmax(), {}),
    (cones.AdaCos(), {}),
    (CosFace(0.2, 8.0), {"subcenters": 2, "bias": True}),
    (CurricularFace(scale=8.0), {"bias": True}),
    (NPCFace(scale=8.0), {"bias": True}),
    (SphereFace2(scale=8.0), {"bias": True}),
    (Bending(), {"learn_scale": True}),
]


def pair(margin, rate=0.1, normaliser="all", **options):
    """A head over all classes, and one of the same numbers that samples."""
    torch.manual_seed(0)
    full = Head(5, K, margin, dtype=torch.float64, **options)
    head = Head(5, K, margin, dtype=torch.float64, sample_rate=rate, normaliser=normaliser, **options)
    if full.bias is not None:
        torch.nn.init.normal_(full.bias)
    head.load_state_dict(full.state_dict())
    return full, head


def gradients(head, x, y):
    """Those of a weighted sum of losses: of the features and of every parameter, dense, in one vector."""
    leaf = x.clone().requires_grad_()
    losses = head(leaf, y, reduction="none")
    sources = [leaf, *head.parameters()]
    upstream = torch.linspace(0.5, 2, len(losses), dtype=losses.dtype)
    found = torch.autograd.grad(losses, sources, upstream)
    return losses.detach(), torch.cat([each.to_dense().flatten() for each in found])


@pytest.mark.parametrize(("margin", "options"), MARGINS, ids=str)
@pytest.mark.parametrize("budget", [1, 2**28])
def test_the_loss_over_all_classes_is_exact(margin, options, budget):
    x, _, y, _ = problem(n=6)
    full, head = pair(margin, **options)
    head.memory_budget = budget
    for _ in range(2):  # running numbers too are those of all classes
        torch.testing.assert_close(head(x, y, "none"), full(x, y, "none"), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("margin", [ArcFace(0.2, 64.0), Bending()], ids=repr)
def test_the_loss_in_float32_with_labels_of_few_classes(margin):
    x, _, y, _ = problem(n=6, dtype=torch.float32)
    full, head = (each.float() for each in pair(margin))
    torch.testing.assert_close(head(x, y % 2), full(x, y % 2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("margin", [ArcFace(0.2, 8.0), Bending(), SphereFace2(scale=8.0)], ids=repr)
def test_with_every_class_drawn_the_gradients_are_exact(margin):
    x, _, y, _ = problem(n=6)
    full, head = pair(margin, rate=1 - 1e-13)
    _, exact = gradients(full, x, y)
    torch.testing.assert_close(gradients(head, x, y)[1], exact, rtol=1e-11, atol=1e-11)


def average(head, x, y, draws):
    """The mean of the gradients over draws, and its standard error."""
    start, total, squares = copy.deepcopy(head.state_dict()), 0, 0
    for seed in range(draws):
        torch.manual_seed(seed)
        if head.statistics():
            head.load_state_dict(start)
        _, found = gradients(head, x, y)
        total, squares = total + found, squares + found.square()
    mean = total / draws
    return mean, ((squares / draws - mean.square()).clamp(min=0) / draws).sqrt()


EACH_KIND = pytest.mark.parametrize(
    "margin", [CosFace(0.1, 8.0), Bending(), NPCFace(scale=8.0), SphereFace2(scale=8.0)], ids=repr
)
"""Closed and modified logits, sums before the target, a loss of each class."""


def assert_unbiased(margin, draws):
    x, _, y, _ = problem(n=3)
    full, head = pair(margin)
    _, exact = gradients(full, x, y)
    mean, error = average(head, x, y, draws)
    assert ((mean - exact).abs() <= 5 * error + 1e-12).all()


@EACH_KIND
def test_gradients_over_all_classes_are_unbiased(margin):
    assert_unbiased(margin, draws=200)


@pytest.mark.slow
@EACH_KIND
def test_gradients_over_all_classes_are_unbiased_over_2000_draws(margin):
    assert_unbiased(margin, draws=2000)


@pytest.mark.parametrize("margin", [CosFace(0.1, 8.0), Bending()], ids=repr)
def test_gradients_over_the_sampled_classes_are_biased(margin):
    x, _, y, _ = problem(n=3)
    full, head = pair(margin, normaliser="sampled")
    _, exact = gradients(full, x, y)
    mean, error = average(head, x, y, 200)
    assert ((mean - exact).abs() > 5 * error).sum() >= 3


def test_the_sampled_loss_is_that_of_the_classes_of_the_step():
    x, _, y, _ = problem(n=6)
    _, head = pair(ArcFace(0.2, 8.0), normaliser="sampled")
    losses, _ = gradients(head, x, y)
    losses = head(x, y, "none")
    losses.sum().backward()
    classes = grad_of(head.weight).coalesce().indices()[0]
    expected = margin_softmax(x, head.weight[classes], torch.searchsorted(classes, y), head.margin)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normaliser", ["sampled", "all"])
@pytest.mark.parametrize("fused", [True, False])
def test_rows_that_were_not_drawn_stay_as_they_are(normaliser, fused):
    torch.manual_seed(0)
    head = Head(5, 1000, ArcFace(scale=16.0), sample_rate=1e-9, normaliser=normaliser)
    optimizer: torch.optim.Optimizer
    optimizer = ClassSGD(head, lr=0.1, momentum=0.9, weight_decay=0.1) if fused else torch.optim.SGD([head.weight], 0.1)
    before = head.weight.detach().clone()
    x, _, y, _ = problem(dtype=torch.float32)
    head(x, y).backward()
    optimizer.step()
    moved = (head.weight.detach() != before).any(dim=1)
    assert moved.nonzero().squeeze(1).tolist() == y.unique().tolist()


@pytest.mark.parametrize("normaliser", ["sampled", "all"])
@pytest.mark.parametrize("margin", [ArcFace(0.2, 8.0), Bending(), SphereFace2(scale=8.0)], ids=repr)
def test_one_class_in_the_step_and_none(margin, normaliser):
    _, head = pair(margin, rate=1e-9, normaliser=normaliser)
    x = problem(n=3)[0]
    for rows, of_weight in ((3, 1), (0, 0)):
        leaf = x[:rows].clone().requires_grad_()
        head.zero_grad()
        loss = head(leaf, torch.full((rows,), 7))
        loss.backward()
        assert loss.isfinite()
        assert grad_of(leaf).isfinite().all()
        gradient = grad_of(head.weight).coalesce()
        assert gradient.indices()[0].tolist() == [7] * of_weight
        assert gradient.values().isfinite().all()


def test_evaluation_and_a_rate_of_one_take_every_class():
    x, _, y, _ = problem(n=6)
    full, head = pair(ArcFace(0.2, 8.0), normaliser="sampled")
    assert torch.equal(head.eval()(x, y), full(x, y))
    _, head = pair(ArcFace(0.2, 8.0), rate=1.0)
    head(x, y).backward()
    assert not grad_of(head.weight).is_sparse


def test_an_unknown_normaliser_is_refused():
    with pytest.raises(ValueError, match="normaliser is 'some', expected 'sampled' or 'all'"):
        Head(5, 10, ArcFace(), sample_rate=0.5, normaliser="some")  # type: ignore[arg-type]


def test_the_bias_gets_its_gradient():
    x, _, y, _ = problem(n=6)
    _, head = pair(ArcFace(0.2, 8.0), bias=True)
    head(x, y).backward()
    drawn = grad_of(head.weight).coalesce().indices()[0]
    assert set(grad_of(not_none(head.bias)).nonzero().squeeze(1).tolist()) == set(drawn.tolist())
