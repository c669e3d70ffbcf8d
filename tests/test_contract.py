"""What every margin promises, in one place. A margin that is not in the list fails the first test."""

import re
from dataclasses import asdict

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from losses import EVERY_MARGIN, Bending, Biased, problem

import cones
import cones.margins
from cones import Head, dense_margin_softmax, margin_softmax

WITH_ARTIFICIAL = [*EVERY_MARGIN, Bending(), Biased()]
BUDGETS = [1, 3000, 2**28]  # one class a tile with nothing kept, a few classes, everything at once

each_margin = pytest.mark.parametrize("margin", EVERY_MARGIN, ids=repr)
each_margin_and_artificial = pytest.mark.parametrize("margin", WITH_ARTIFICIAL, ids=repr)


def test_no_public_margin_is_missing():
    assert {type(margin).__name__ for margin in EVERY_MARGIN} == set(cones.margins.__all__)
    assert set(cones.margins.__all__) <= set(cones.__all__)


def gradients(function, *tensors):
    """Losses and the gradients of their weighted sum, so that rows have different upstream gradients."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    losses = function(*leaves)
    upstream = torch.linspace(0.5, 2.0, len(losses), dtype=losses.dtype)
    (losses * upstream).sum().backward()
    return losses.detach(), [leaf.grad for leaf in leaves]


def engine(x, w, y, margin, b=None, **settings):
    return margin_softmax(x, w, y, margin, bias=b, **settings)


def dense(x, w, y, margin, b=None):
    return dense_margin_softmax(x, w, y, margin, bias=b)


@each_margin_and_artificial
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("k", [1, 2, 23])
@pytest.mark.parametrize("biased", [False, True])
def test_engine_equals_dense_in_float64(margin, budget, k, biased):
    x, w, y, b = problem(k=k)
    inputs = (x, w, b) if biased else (x, w)
    value, grads = gradients(lambda x, w, *b: engine(x, w, y, margin, *b, memory_budget=budget), *inputs)
    expected, expected_grads = gradients(lambda x, w, *b: dense(x, w, y, margin, *b), *inputs)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, rtol=1e-12, atol=1e-12)


@each_margin
@settings(max_examples=10)
@given(
    n=st.integers(0, 9),
    k=st.integers(1, 12),
    d=st.integers(2, 6),
    seed=st.integers(0, 10**6),
    budget=st.integers(1, 4000),
    biased=st.booleans(),
)
def test_engine_equals_dense_for_any_size(margin, n, k, d, seed, budget, biased):
    x, w, y, b = problem(n, k, d, seed)
    inputs = (x, w, b) if biased else (x, w)
    value, grads = gradients(lambda x, w, *b: engine(x, w, y, margin, *b, memory_budget=budget), *inputs)
    expected, expected_grads = gradients(lambda x, w, *b: dense(x, w, y, margin, *b), *inputs)
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-11)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, rtol=1e-10, atol=1e-10)


@each_margin
def test_value_equals_the_independent_reference(margin):
    x, w, y, b = problem()
    expected = reference.losses(type(margin).__name__, asdict(margin), x.numpy(), w.numpy(), y.numpy(), b.numpy())
    np.testing.assert_allclose(margin_softmax(x, w, y, margin, bias=b).numpy(), expected, rtol=1e-12, atol=1e-12)


@each_margin
def test_gradient_equals_differences_of_the_reference(margin):
    x, w, y, _ = problem(n=5, k=7, d=4, seed=3)
    name, fields = type(margin).__name__, asdict(margin)
    _, (grad_x, grad_w) = gradients(lambda x, w: margin_softmax(x, w, y, margin), x, w)
    upstream = np.linspace(0.5, 2.0, len(x))

    def total(x, w):
        return (reference.losses(name, fields, x, w, y.numpy()) * upstream).sum()

    h = 1e-6
    for grad, array, at in ((grad_x, x.numpy(), 0), (grad_w, w.numpy(), 1)):
        for index in np.ndindex(*array.shape):
            step = np.zeros_like(array)
            step[index] = h
            arguments = [x.numpy(), w.numpy()]
            plus, minus = list(arguments), list(arguments)
            plus[at], minus[at] = arguments[at] + step, arguments[at] - step
            slope = (total(*plus) - total(*minus)) / (2 * h)
            assert abs(float(grad[index]) - slope) <= 1e-6 * max(1.0, abs(slope)), (index, float(grad[index]), slope)


@each_margin_and_artificial
@pytest.mark.parametrize("budget", [1, 2**28])
@pytest.mark.parametrize("biased", [False, True])
def test_gradcheck(margin, budget, biased):
    x, w, y, b = problem(n=4, k=6, d=3, seed=5)
    leaves = [tensor.requires_grad_() for tensor in ((x, w, b) if biased else (x, w))]
    assert torch.autograd.gradcheck(
        lambda x, w, *b: engine(x, w, y, margin, *b, memory_budget=budget), leaves, fast_mode=False
    )


DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@each_margin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [2, 3, 17])
def test_edges_are_finite_and_right(margin, dtype, d):
    """Features on, against and across their class direction, a zero feature, a zero weight row."""
    w = torch.zeros(4, d, dtype=torch.float64)
    w[0, 0], w[1, 1], w[2, 0], w[2, 1] = 2.0, 1.0, -3.0, 1.0  # row 3 stays zero
    x = torch.zeros(6, d, dtype=torch.float64)
    x[0, 0], x[1, 0], x[2, 1], x[4, 1], x[5, 0] = 4.0, -4.0, 0.5, 2.0, 1.0
    y = torch.tensor([0, 0, 0, 0, 3, 1])  # cosine +1, -1, 0, zero feature, zero weight row, cosine 0
    leaf_x = x.clone().to(dtype).requires_grad_()
    leaf_w = w.clone().to(torch.float32 if dtype != torch.float64 else dtype).requires_grad_()
    losses = margin_softmax(leaf_x, leaf_w, y, margin)
    losses.sum().backward()
    assert losses.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert leaf_x.grad.dtype == dtype
    assert leaf_w.grad.dtype == leaf_w.dtype
    assert torch.isfinite(losses).all()
    assert torch.isfinite(leaf_x.grad).all()
    assert torch.isfinite(leaf_w.grad).all()
    expected = reference.losses(type(margin).__name__, asdict(margin), x.numpy(), w.numpy(), y.numpy())
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5 * max(1.0, float(margin.scale))
    np.testing.assert_allclose(losses.detach().double().numpy(), expected, atol=tolerance, rtol=tolerance)
    if margin.features == "unit":
        assert (leaf_x.grad[3] == 0).all()
    if margin.weights == "unit":
        assert (leaf_w.grad[3] == 0).all()


@each_margin
@pytest.mark.parametrize("pole", [1.0, -1.0])
def test_gradient_at_the_poles_is_the_size_of_the_one_beside(margin, pole):
    def slope_at(cosine):
        similarity = torch.tensor([cosine], dtype=torch.float64, requires_grad=True)
        one = torch.ones(1, dtype=torch.float64)
        rows = cones.Rows(similarity, one, one, torch.zeros(1, dtype=torch.long), {})
        margin.target(similarity, rows).sum().backward()
        return float(similarity.grad)

    beside = slope_at(pole * (1 - 2**-53))
    assert np.isclose(slope_at(pole), beside, rtol=0.5), (slope_at(pole), beside)


@each_margin
def test_features_past_the_unit_by_rounding_do_no_harm(margin):
    """Self-cosines exceed 1 by rounding in a quarter of float32 rows: none may turn into a NaN."""
    generator = torch.Generator().manual_seed(1)
    w = torch.randn(300, 3, generator=generator)
    x = (w * torch.rand(300, 1, generator=generator)).requires_grad_()
    losses = margin_softmax(x, w, torch.arange(300), margin)
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("margin", [m for m in EVERY_MARGIN if m.features == m.weights == "unit"], ids=repr)
def test_extreme_magnitudes(margin):
    """Squares of these would overflow or vanish in float32."""
    x, w, y, _ = problem(dtype=torch.float32)
    expected = margin_softmax(x, w, y, margin)
    for factor in (1e-30, 1e30):
        leaf = (x * factor).requires_grad_()
        losses = margin_softmax(leaf, w * factor, y, margin)
        losses.sum().backward()
        torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-4)
        assert torch.isfinite(leaf.grad).all()


@each_margin
def test_order_of_classes_does_not_matter(margin):
    x, w, y, b = problem()
    order = torch.randperm(len(w), generator=torch.Generator().manual_seed(2))
    place = torch.empty_like(order).scatter(0, order, torch.arange(len(order)))
    torch.testing.assert_close(
        margin_softmax(x, w[order], place[y], margin, bias=b[order]),
        margin_softmax(x, w, y, margin, bias=b),
        rtol=1e-12,
        atol=1e-12,
    )


@each_margin
def test_one_class_and_no_rows(margin):
    head = Head(3, 1, margin)
    loss = head(torch.randn(4, 3), torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert (head.weight.grad == 0).all()
    head = Head(3, 5, margin)
    loss = head(torch.zeros(0, 3, requires_grad=True), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert (head.weight.grad == 0).all()
    assert head(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), reduction="none").shape == (0,)


@each_margin
def test_bfloat16_error_is_no_worse_than_the_plain_way(margin):
    """|fast - truth| against |plain bfloat16 - truth|, as a precision test should be."""
    x, w, y, _ = problem(n=64, k=50, d=16, seed=4)
    half_x = x.bfloat16()
    truth = dense_margin_softmax(half_x.double(), w, y, margin)
    fast = margin_softmax(half_x, w.float(), y, margin, compute_dtype=torch.bfloat16).double()
    z = reference.dense_logits(
        type(margin).__name__, asdict(margin), half_x.double().numpy(), w.numpy(), y.numpy(), None
    )
    plain = torch.nn.functional.cross_entropy(torch.from_numpy(z).bfloat16(), y, reduction="none").double()
    assert (fast - truth).abs().mean() <= (plain - truth).abs().mean() + 1e-3 * float(margin.scale)


@each_margin
def test_float32_error_is_no_worse_than_dense(margin):
    x, w, y, _ = problem(n=64, k=500, d=16, seed=6)
    truth = dense_margin_softmax(x, w, y, margin)
    fast = margin_softmax(x.float(), w.float(), y, margin).double()
    dense = dense_margin_softmax(x.float(), w.float(), y, margin).double()
    assert (fast - truth).abs().max() <= 2 * (dense - truth).abs().max() + 1e-6


@each_margin
def test_repr_is_the_configuration(margin):
    assert cones.margins.parse(repr(margin)) == margin
    assert hash(margin) == hash(cones.margins.parse(repr(margin)))


@each_margin
def test_default_construction_and_docstring(margin):
    kind = type(margin)
    assert kind() == cones.margins.parse(kind.__name__)
    for section in ("Args:", "Raises:", "Reference:"):
        assert section in kind.__doc__, f"{kind.__name__} says nothing under {section}"
    assert re.search(r"arXiv \d{4}\.\d{5}|ICML", kind.__doc__)
    with pytest.raises(ValueError, match=r"scale is -1.0, expected a finite number above 0"):
        kind(scale=-1.0)


NEUTRAL = [
    (cones.LSoftmax(margin=1), cones.Softmax()),
    (cones.LSoftmax(margin=4, blend=1e15), cones.Softmax()),
    (cones.CosFace(margin=0.0, scale=9.0), cones.NormFace(scale=9.0)),
    (cones.COCO(scale=9.0), cones.NormFace(scale=9.0)),
    (cones.ArcFace(margin=0.0, scale=9.0), cones.NormFace(scale=9.0)),
    (cones.ArcFace(margin=0.0, scale=9.0, tail="plain"), cones.NormFace(scale=9.0)),
    (cones.CombinedMargin(m1=1.0, m2=0.0, m3=0.0, scale=9.0), cones.NormFace(scale=9.0)),
    (cones.CombinedMargin(m1=1.0, m2=0.4, m3=0.0, scale=9.0), cones.ArcFace(margin=0.4, scale=9.0)),
    (cones.CombinedMargin(m1=1.0, m2=0.0, m3=0.3, scale=9.0), cones.CosFace(margin=0.3, scale=9.0)),
    (cones.ArcFace(margin=0.4, straight_through=True), cones.ArcFace(margin=0.4)),
]


@pytest.mark.parametrize(("margin", "base"), NEUTRAL, ids=repr)
def test_neutral_margin_is_its_base(margin, base):
    x, w, y, _ = problem()
    torch.testing.assert_close(margin_softmax(x, w, y, margin), margin_softmax(x, w, y, base), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
def test_combined_multiple_is_sphereface_on_the_unit_sphere(m):
    x, w, y, _ = problem()
    x = torch.nn.functional.normalize(x)
    torch.testing.assert_close(
        margin_softmax(x, w, y, cones.CombinedMargin(m1=float(m), m2=0.0, m3=0.0, scale=3.0)),
        margin_softmax(x, w, y, cones.ASoftmax(margin=m, scale=3.0)),
        rtol=1e-12,
        atol=1e-12,
    )


FALLING = [margin for margin in EVERY_MARGIN if getattr(margin, "tail", "smooth") in ("smooth", "clip")]


@pytest.mark.parametrize("margin", FALLING, ids=repr)
def test_target_logit_falls_with_the_angle(margin):
    theta = torch.linspace(0, torch.pi, 4001, dtype=torch.float64)
    one = torch.ones_like(theta)
    rows = cones.Rows(theta.cos(), one, one, torch.zeros(len(theta), dtype=torch.long), {})
    logit = margin.target(theta.cos(), rows)
    assert (logit.diff() <= 1e-9).all()
    assert (logit <= float(margin.scale) * theta.cos() + 1e-9).all()
    if getattr(margin, "tail", "smooth") == "smooth":
        slope = logit.diff() / theta.diff()  # continuous: no jump of the slope either
        assert slope.diff().abs().max() < 0.1 * float(margin.scale)


def dense_in_bfloat16(x, w, y, margin):
    """The dense loss with its product in bfloat16, as autocast would run it."""
    unit_x, unit_w = (torch.nn.functional.normalize(rows) for rows in (x, w))
    x_norm, w_norm = x.norm(dim=1), w.norm(dim=1)
    x, w = (unit_x if margin.features == "unit" else x), (unit_w if margin.weights == "unit" else w)
    similarity = (x.bfloat16() @ w.bfloat16().T).float()
    rows = cones.Rows(similarity.gather(1, y[:, None]).squeeze(1), x_norm, w_norm[y], y, {})
    target = margin.target(rows.similarity, rows)
    logits = margin.others(similarity, target, rows).scatter(1, y[:, None], target[:, None])
    return torch.nn.functional.cross_entropy(logits, y, reduction="none")


@each_margin
@pytest.mark.parametrize("budget", [2**18, 2**28])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_error_against_the_truth_is_no_larger_than_the_dense_way(margin, budget, precision):
    """|ours - float64 truth| against |dense - float64 truth|: value, gradient of the features, of the weight."""
    x, w, y, _ = problem(128, 2000, 64, seed=2, dtype=torch.float32)
    w = w if margin.weights == "unit" else w / 10  # keeps raw logits where a network's are
    truth, truth_grads = gradients(lambda x, w: dense(x, w, y, margin), x.double(), w.double())
    plainly = dense if precision == torch.float32 else dense_in_bfloat16
    plain, plain_grads = gradients(lambda x, w: plainly(x, w, y, margin), x, w)
    low = None if precision == torch.float32 else precision
    ours, our_grads = gradients(lambda x, w: engine(x, w, y, margin, memory_budget=budget, compute_dtype=low), x, w)
    for one, other, true in zip((ours, *our_grads), (plain, *plain_grads), (truth, *truth_grads), strict=True):
        # two roundings of the same size differ by luck
        assert (one - true).norm() <= 1.25 * (other - true).norm()
