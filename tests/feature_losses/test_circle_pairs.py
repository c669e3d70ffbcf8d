"""Circle loss over pairs against equations 4 to 6."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones import CirclePairs
from tests.losses import problem
from tests.narrowing import grad_of


def expected(loss, x, y):
    """The loss, and its gradient in the features with the factors held fast, from the equations."""
    m, gamma, n = loss.margin, loss.scale, len(x)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit = x / length
    value, d_unit = 0.0, np.zeros_like(x)
    for i in range(n):
        p = [j for j in range(n) if y[j] == y[i] and j != i]
        q = [j for j in range(n) if y[j] != y[i]]
        if not p or not q:
            continue
        s_p, s_n = unit[p] @ unit[i], unit[q] @ unit[i]
        a_p, a_n = np.maximum(0, 1 + m - s_p), np.maximum(0, s_n + m)
        e_p, e_n = np.exp(-gamma * a_p * (s_p - (1 - m))), np.exp(gamma * a_n * (s_n - m))
        product = e_p.sum() * e_n.sum()
        value += math.log1p(product)
        outer = product / (1 + product)
        for members, slope in ((p, -gamma * a_p * e_p / e_p.sum()), (q, gamma * a_n * e_n / e_n.sum())):
            for j, d in zip(members, outer * slope, strict=True):
                d_unit[i] += d * unit[j]
                d_unit[j] += d * unit[i]
    d_x = (d_unit - (d_unit * unit).sum(axis=1, keepdims=True) * unit) / length
    return value / n, d_x / n


@settings(max_examples=50)
@given(
    n=st.integers(1, 9),
    classes=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    margin=st.sampled_from([0.0, 0.25, 0.4]),
    scale=st.sampled_from([1.0, 16.0, 80.0]),
)
def test_value_and_gradient(n, classes, seed, margin, scale):
    x, _, y, _ = problem(n, classes, 3, seed)
    loss = CirclePairs(margin, scale)
    value, gradient = expected(loss, x.numpy(), y.numpy())
    found = loss(x.requires_grad_(), y)
    found.backward()
    assert found.item() == pytest.approx(value, rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(x.grad, gradient, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("y", [[0, 0, 0], [0, 1, 2], [0], []])
def test_no_pairs_cost_nothing(y):
    x = torch.randn(len(y), 3, requires_grad=True)
    loss = CirclePairs()(x, torch.tensor(y, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert (grad_of(x) == 0).all()


def test_one_loss_a_row_and_not_one_a_batch():
    """Two classes of two on orthogonal axes: s_p = 1, s_n = 0 twice for each row."""
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]).double()
    within, between = -0.25 * 0.25, 2 * math.exp(-0.25 * 0.25)
    loss = CirclePairs(margin=0.25, scale=1.0)(x, torch.tensor([0, 0, 5, 5]))
    assert loss.item() == pytest.approx(math.log1p(math.exp(within) * between))


def test_identical_rows_of_different_classes():
    x = torch.ones(4, 3, requires_grad=True)
    loss = CirclePairs()(x, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    # s_p = 1: 80 * .25 * -.25; s_n = 1, twice: 80 * 1.25 * .75
    assert loss.item() == pytest.approx(-5 + 75 + math.log(2), rel=1e-5)
    assert grad_of(x).abs().max() < 1e-3


def test_small_losses_are_not_lost():
    """Past a difference of 20 the plain softplus is wrong by its own size."""
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]).double()
    loss = CirclePairs(margin=0.25, scale=80.0)(x, torch.tensor([0, 0, 1]))
    assert loss.item() == pytest.approx(2 / 3 * math.log1p(math.exp(-80 * 0.25 * 0.25)), rel=1e-12)
