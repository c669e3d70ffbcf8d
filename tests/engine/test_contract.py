"""Contract of every margin: values and gradients. A margin that is not in the list fails the first test."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cones
import cones.margins
import tests.references as references
from cones import Head, margin_softmax
from cones.engine.similarity import cross_entropy_of
from tests.engine.contract import (
    assert_equal_with_gradients,
    dense,
    differentiable,
    each_margin,
    each_margin_and_artificial,
    engine,
    formula,
    gradients,
)
from tests.losses import ARTIFICIAL, EVERY_MARGIN, of_classes, problem
from tests.narrowing import grad_of

# one class a tile with nothing kept; a few classes; two tiles with all kept; one tile; all logits at once
BUDGETS = [1, 3000, 10_000, "one tile", 2**28]


@pytest.fixture
def budget(request, monkeypatch):
    """The memory budget of a test; "one tile" keeps the engine from making all logits at once."""
    if request.param == "one tile":
        monkeypatch.setattr("cones.engine.small.SMALL", 0)
        monkeypatch.setattr("cones.engine.few_logits.FEW", 0)
        return 2**28
    return request.param


def test_no_public_margin_is_missing():
    assert {type(margin).__name__ for margin in EVERY_MARGIN} == set(cones.margins.known())
    assert set(references.FORMULAS) == set(cones.margins.known())
    assert set(cones.margins.known()) <= set(cones.__all__)


@each_margin_and_artificial
@pytest.mark.parametrize(
    ("budget", "k"),
    [*((budget, k) for budget in BUDGETS for k in (2, 23)), (BUDGETS[0], 1), (BUDGETS[-1], 1)],
    indirect=["budget"],
)
@pytest.mark.parametrize("biased", [False, True])
def test_engine_equals_dense_in_float64(margin, budget, k, biased):
    x, w, y, b = problem(k=k)
    inputs = (x, w, b) if biased else (x, w)
    assert_equal_with_gradients(
        lambda x, w, *b: engine(x, w, y, margin, *b, memory_budget=budget),
        lambda x, w, *b: dense(x, w, y, margin, *b),
        inputs,
    )


@each_margin_and_artificial
@pytest.mark.parametrize("budget", BUDGETS, indirect=True)
@pytest.mark.parametrize("biased", [False, True])
def test_subcenters_equal_dense_in_float64(margin, budget, biased):
    x, w, y, b = problem(k=33)
    y, b = y % 11, b[:11]
    inputs = (x, w, b) if biased else (x, w)
    assert_equal_with_gradients(
        lambda x, w, *b: engine(x, w, y, margin, *b, memory_budget=budget, subcenters=3),
        lambda x, w, *b: dense(x, w, y, margin, *b, subcenters=3),
        inputs,
    )


@each_margin_and_artificial
@pytest.mark.parametrize("budget", BUDGETS, indirect=True)
@pytest.mark.parametrize("biased", [False, True])
def test_label_smoothing_equals_dense_or_is_refused(margin, budget, biased):
    x, w, y, b = problem()
    inputs = (x, w, b) if biased else (x, w)

    def smoothed(x, w, *b):
        return engine(x, w, y, margin, *b, memory_budget=budget, label_smoothing=0.1)

    if not cross_entropy_of(margin):
        with pytest.raises(ValueError, match=r"label_smoothing is 0.1, but \w+ is not a cross entropy"):
            smoothed(*inputs)
        return
    assert_equal_with_gradients(
        smoothed, lambda x, w, *b: dense(x, w, y, margin, *b, label_smoothing=0.1), inputs, atol=1e-11
    )


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
    # in two dims an own cosine may be within 1e-7 of a pole, which makes much of its rounding in the gradient
    assert_equal_with_gradients(
        lambda x, w, *b: engine(x, w, y, margin, *b, memory_budget=budget),
        lambda x, w, *b: dense(x, w, y, margin, *b),
        inputs,
        rtol=1e-11,
        atol=1e-11,
        of_gradients=100,
    )


@each_margin
def test_value_equals_the_independent_formula(margin):
    x, w, y, b = problem()
    expected = formula(x.numpy(), w.numpy(), y.numpy(), margin, b.numpy())
    np.testing.assert_allclose(engine(x, w, y, margin, b).numpy(), expected, rtol=1e-12, atol=1e-12)


@each_margin
def test_gradient_equals_differences_of_the_formula(margin):
    x, w, y, _ = problem(n=5, k=7, d=4, seed=3)
    _, (grad_x, grad_w) = gradients(lambda x, w: engine(x, w, y, margin), x, w)
    upstream = np.linspace(0.5, 2.0, len(x))
    held_at = (x.numpy(), w.numpy())

    def total(x, w):
        return (formula(x, w, y.numpy(), margin, held_at=held_at) * upstream).sum()

    h = 1e-6
    for grad, array, at in ((grad_x, x.numpy(), 0), (grad_w, w.numpy(), 1)):
        for index in np.ndindex(*array.shape):
            step = np.zeros_like(array)
            step[index] = h
            arguments = [x.numpy(), w.numpy()]
            plus, minus = list(arguments), list(arguments)
            plus[at], minus[at] = arguments[at] + step, arguments[at] - step
            slope = (total(*plus) - total(*minus)) / (2 * h)
            assert abs(float(grad[index]) - slope) <= 2e-6 * max(1.0, abs(slope)), (index, float(grad[index]), slope)


# Those left out hold a part fixed by definition: their gradient is not that of the value. It is tested where the
# formula holds the same part fixed, in test_gradient_equals_differences_of_the_formula.
@pytest.mark.parametrize("margin", [m for m in (*EVERY_MARGIN, *ARTIFICIAL) if differentiable(m)], ids=repr)
@pytest.mark.parametrize(
    ("budget", "biased"), [(1, True), ("one tile", True), (2**28, True), (2**28, False)], indirect=["budget"]
)
def test_gradcheck(margin, budget, biased):
    x, w, y, b = problem(n=3, k=5, d=3, seed=5)
    leaves = [tensor.requires_grad_() for tensor in ((x, w, b) if biased else (x, w))]
    assert torch.autograd.gradcheck(
        lambda x, w, *b: engine(x, w, y, margin, *b, memory_budget=budget), leaves, fast_mode=False
    )


@each_margin
def test_order_of_classes_does_not_matter(margin):
    x, w, y, b = problem()
    order = torch.randperm(len(w), generator=torch.Generator().manual_seed(2))
    place = torch.empty_like(order).scatter(0, order, torch.arange(len(order)))
    torch.testing.assert_close(
        engine(x, w[order], place[y], of_classes(margin, order.tolist()), b[order]),
        engine(x, w, y, margin, b),
        rtol=1e-12,
        atol=1e-12,
    )


@each_margin
def test_one_class_and_no_rows(margin):
    head = Head(3, 1, of_classes(margin, range(1)))
    loss = head(torch.randn(4, 3), torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(grad_of(head.weight)).all()
    if margin.combine == "softmax" and type(margin).penalty is cones.Margin.penalty:
        assert loss.item() == 0
        assert (grad_of(head.weight) == 0).all()
    head = Head(3, 5, of_classes(margin, range(5)))
    loss = head(torch.zeros(0, 3, requires_grad=True), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert (grad_of(head.weight) == 0).all()
    assert head(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), reduction="none").shape == (0,)


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
    *(pair for group in references.GROUPS for pair in getattr(group, "NEUTRAL", ())),
]


@pytest.mark.parametrize(("margin", "base"), NEUTRAL, ids=repr)
def test_neutral_margin_is_its_base(margin, base):
    x, w, y, _ = problem()
    torch.testing.assert_close(engine(x, w, y, margin), engine(x, w, y, base), rtol=1e-11, atol=1e-11)


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
