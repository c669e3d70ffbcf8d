"""Few logits with explicit gradients: first and second derivatives against autograd, at every edge."""

import pytest
import torch

import cones
from cones.engine import matmul as products
from cones.engine.few_logits import Form, by_autograd, few_logits, ordinary_norms
from cones.engine.similarity import bends
from tests.engine.contract import dense, differentiable, engine, gradients
from tests.losses import EVERY_MARGIN, problem
from tests.narrowing import not_none

STRAIGHT = [margin for margin in EVERY_MARGIN if not bends(margin) and differentiable(margin)]


@pytest.mark.parametrize("features", ["unit", "raw"])
@pytest.mark.parametrize("weight", ["unit", "raw"])
@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("others_sum", [True, False])
@pytest.mark.parametrize("wide", [True, False])
def test_values_and_gradients_are_autograds(features, weight, bounded, others_sum, wide, monkeypatch):
    monkeypatch.setattr("cones.engine.few_logits.WIDE_FROM", 0 if wide else 100)
    x, w, y, b = problem(7, 23, 5)
    form, scale = Form(features, weight, bounded, others_sum), torch.tensor(1.7, dtype=torch.float64)

    def total(terms):
        """Every term, each row of each with a weight of its own."""
        parts = [(torch.linspace(0.3, 1.9, len(t), dtype=t.dtype) * t * (i + 1)).sum() for i, t in enumerate(terms)]
        return sum(parts)

    norms, results = not_none(ordinary_norms(x, w)), []
    for function in (
        lambda x, w, b, scale: few_logits(x, w, b, scale, y, norms, form),
        lambda x, w, b, scale: by_autograd(x, w, b, scale, y, form),
    ):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, w, b, scale)]
        first = torch.autograd.grad(total(function(*leaves)), leaves, retain_graph=True)
        once_more = torch.autograd.grad(total(function(*leaves)), leaves, create_graph=True)
        second = torch.autograd.grad(sum((gradient.square().sum() for gradient in once_more), torch.zeros(())), leaves)
        results.append((*function(*leaves), *first, *second))
    torch.testing.assert_close(results[0], results[1], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("margin", STRAIGHT, ids=repr)
def test_a_gradient_penalty_equals_the_dense_one(margin):
    x, w, y, b = problem(9, 40, 5)

    def penalised(losses):
        def of(x, w, b):
            value = losses(x, w, y, margin, b)
            (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
            return value + gradient.square().sum(dim=1)

        return of

    results = [gradients(penalised(losses), x, w, b) for losses in (engine, dense)]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-20, 1e20, float("inf"), float("nan")])
@pytest.mark.parametrize("side", ["features", "weight"])
def test_unusual_norms_are_left_to_the_general_path(size, side):
    x, w, y, _ = problem(7, 23, 5)
    (x if side == "features" else w)[3] *= size
    assert ordinary_norms(x, w) is None
    value, _ = gradients(lambda x, w: engine(x, w, y, cones.ArcFace()), x, w)
    expected, _ = gradients(lambda x, w: dense(x, w, y, cones.ArcFace()), x, w)
    torch.testing.assert_close(value, expected, equal_nan=True)


def test_a_graph_may_be_used_twice():
    x, w, y, _ = problem(7, 23, 5)
    x.requires_grad_()
    loss = cones.margin_softmax(x, w, y, cones.ArcFace()).sum()
    once, again = (torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(once, again)


@pytest.mark.parametrize(
    ("blas", "onednn", "expected"), [(1.0, 0.5, "onednn"), (1.0, 0.95, "blas"), (0.5, 1.0, "blas")]
)
def test_the_clearly_faster_kernel_is_taken(blas, onednn, expected):
    times = iter([blas, onednn] * 20)
    assert products.faster_kernel(lambda function: next(times)) == expected


def test_a_kernel_can_be_set(monkeypatch):
    monkeypatch.setattr(products, "_chosen", None)
    products.use_kernel("blas")
    assert products.kernel() == "blas"
    with pytest.raises(ValueError, match=r"kernel is 'gpu', expected one of blas, onednn"):
        products.use_kernel("gpu")  # type: ignore[arg-type]


def test_gradients_of_several_rows_at_once():
    torch.manual_seed(0)
    x, w, y = torch.randn(4, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64), torch.arange(4)
    margin = cones.ArcFace(0.2, 8.0)

    def losses(x):
        return cones.margin_softmax(x, w, y, margin)

    one_by_one = torch.autograd.functional.jacobian(losses, x)
    at_once = torch.autograd.functional.jacobian(losses, x, vectorize=True)
    torch.testing.assert_close(at_once, one_by_one, rtol=1e-12, atol=1e-12)
