"""Helpers of the contract tests: losses and gradients of the engine, the dense specification and the formulas."""

import functools

import pytest
import torch

import cones
import tests.references as references
from cones import dense_margin_softmax, margin_softmax
from cones.engine.draws import with_noise
from tests.losses import ARTIFICIAL, EVERY_MARGIN, of_classes, statistics_of

each_margin = pytest.mark.parametrize("margin", EVERY_MARGIN, ids=repr)
each_margin_and_artificial = pytest.mark.parametrize("margin", [*EVERY_MARGIN, *ARTIFICIAL], ids=repr)

HOLDS_FIXED = {"CircleLoss", "AdaFace"}
"""Losses whose own definition holds a part of the value fixed in the gradient."""


def differentiable(margin):
    """Tell whether the gradient is that of the value."""
    held = getattr(margin, "straight_through", False) or getattr(margin, "detach", False)
    return type(margin).__name__ not in HOLDS_FIXED and not held


def gradients(function, *tensors):
    """Losses and the gradients of their weighted sum, so that rows have different upstream gradients."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    losses = function(*leaves)
    upstream = torch.linspace(0.5, 2.0, len(losses), dtype=losses.dtype)
    (losses * upstream).sum().backward()
    return losses.detach(), [leaf.grad for leaf in leaves]


def assert_equal_with_gradients(one, other, inputs, rtol=1e-12, atol=1e-12, of_gradients=1):
    """Compare the losses of two functions, and their gradients within `of_gradients` times as much."""
    (losses, grads), (expected, expected_grads) = gradients(one, *inputs), gradients(other, *inputs)
    torch.testing.assert_close(losses, expected, rtol=rtol, atol=atol)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, rtol=of_gradients * rtol, atol=of_gradients * atol)


def seeded(function):
    """The function with its random draws the same at every call."""

    @functools.wraps(function)
    def call(*arguments, **settings):
        torch.manual_seed(0)
        return function(*arguments, **settings)

    return call


@seeded
def engine(x, w, y, margin, b=None, **settings):
    return with_everything(margin_softmax, x, w, y, margin, b, settings)


@seeded
def dense(x, w, y, margin, b=None, **settings):
    return with_everything(dense_margin_softmax, x, w, y, margin, b, settings)


def with_everything(losses, x, w, y, margin, b, settings):
    """Losses of the margin for as many classes as there are, with running numbers."""
    num_classes = len(w) // settings.get("subcenters", 1)
    margin, statistics = of_classes(margin, range(num_classes)), statistics_of(margin, num_classes)
    return losses(x, w, y, margin, bias=b, statistics=statistics, **settings)


@seeded
def formula(x, w, y, margin, b=None, held_at=None):
    """(N,) float64 NumPy losses from NumPy arrays."""
    margin, statistics = of_classes(margin, range(len(w))), statistics_of(margin, len(w))
    return references.losses(margin, x, w, y, b, statistics, held_at)


def scale_of(margin):
    """The margin's scale as a number."""
    return float(margin.scale_with(statistics_of(margin, 10)))


def rows_at(cosine, margin):
    """Return the Rows (N,) at these cosines, with vectors of length 1 and no other class."""
    one = torch.ones_like(cosine)
    rows = cones.Rows(cosine, one, one, torch.zeros(len(cosine), dtype=torch.long), statistics_of(margin, 10))
    return with_noise(rows, margin, torch.tensor(0))._replace(
        others_summaries=tuple(0 * one for _ in margin.others_summaries())
    )
