"""psi and the shifted cosine: golden values, boundaries, derivatives."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cones.margins._angle import long_psi, psi, shifted_cosine, squared_angle
from tests.narrowing import grad_of


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 8])
def test_psi_at_its_boundaries_is_one_less_two_k(m):
    theta = torch.arange(m + 1, dtype=torch.float64) * math.pi / m
    expected = 1 - 2 * torch.arange(m + 1, dtype=torch.float64)
    torch.testing.assert_close(psi(theta.cos(), m), expected, rtol=1e-12, atol=1e-12)


def chebyshev(c, m):
    before, now = torch.ones_like(c), c
    for _ in range(m - 1):
        before, now = now, 2 * c * now - before
    return now


@given(st.floats(-1, 1), st.integers(1, 8))
def test_psi_is_the_chebyshev_form(c, m):
    """cos(m theta) = T_m(cos theta), and k counts the boundaries passed: no arccos anywhere."""
    cosine = torch.tensor([c], dtype=torch.float64)
    k = sum(c < math.cos(i * math.pi / m) for i in range(1, m))
    torch.testing.assert_close(psi(cosine, m), (-1) ** k * chebyshev(cosine, m) - 2 * k, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_slope_of_psi_at_both_poles_is_m_squared(m, dtype):
    cosine = torch.tensor([1.0, -1.0], dtype=dtype, requires_grad=True)
    psi(cosine, m).sum().backward()
    expected = torch.full((2,), float(m * m), dtype=dtype)
    torch.testing.assert_close(cosine.grad, expected, rtol=1e-3 if dtype == torch.float32 else 1e-6, atol=0)


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_slope_of_psi_inside_each_piece(m):
    theta = torch.linspace(0.05, math.pi - 0.05, 500, dtype=torch.float64)
    cosine = theta.cos().requires_grad_()
    psi(cosine, m).sum().backward()
    k = (m * theta / math.pi).floor()
    torch.testing.assert_close(cosine.grad, (-1) ** k * m * (m * theta).sin() / theta.sin(), rtol=1e-9, atol=1e-9)
    assert (grad_of(cosine) >= -1e-9).all()


@pytest.mark.parametrize("multiple", [0.5, 1.0, 1.35, 2.0, 3.7])
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.2, math.pi])
def test_folded_cosine_falls_without_a_jump(multiple, shift):
    theta = torch.linspace(0, math.pi, 20001, dtype=torch.float64)
    value = shifted_cosine(theta.cos(), multiple, shift)
    assert (value.diff() <= 1e-12).all()
    assert value.diff().abs().max() < 2 * multiple * math.pi / 20000


def test_gradcheck_in_cosine_and_shift():
    cosine = torch.linspace(-0.97, 0.96, 9, dtype=torch.float64).requires_grad_()
    shift = torch.linspace(0.1, 0.9, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda c, m: shifted_cosine(c, 1.3, m), (cosine, shift))
    assert torch.autograd.gradgradcheck(lambda c, m: shifted_cosine(c, 1.3, m, fold=False), (cosine, shift))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("past", [1e-7, 1e-5, 1e-3])
def test_past_one_counts_as_one(dtype, past):
    cosine = torch.tensor([1 + past, -1 - past], dtype=dtype, requires_grad=True)
    value = shifted_cosine(cosine, 1.0, 0.5)
    value.sum().backward()
    torch.testing.assert_close(value.detach(), torch.tensor([math.cos(0.5), -2 + math.cos(0.5)], dtype=dtype))
    assert torch.isfinite(grad_of(cosine)).all()


def test_squared_angle_at_the_poles():
    """(arccos c)^2 has the slope -2 at c = 1; at c = -1 its slope grows without bound, as that of the angle does."""
    cosine = torch.tensor([1.0, -1.0, 1.0 + 1e-7], dtype=torch.float64, requires_grad=True)
    value = squared_angle(cosine)
    value.sum().backward()
    torch.testing.assert_close(value.detach(), torch.tensor([0, math.pi**2, 0], dtype=torch.float64))
    torch.testing.assert_close(grad_of(cosine)[::2], torch.tensor([-2.0, -2.0], dtype=torch.float64))
    assert torch.isfinite(grad_of(cosine)).all()
    assert grad_of(cosine)[1] < -1e7


def test_gradcheck_of_the_squared_angle():
    cosine = torch.linspace(-0.97, 0.96, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: squared_angle(c, 0.4), (cosine,))
    assert torch.autograd.gradgradcheck(lambda c: squared_angle(c, 0.4), (cosine,))


@pytest.mark.parametrize("m", [1, 2, 4])
def test_psi_of_a_length_has_both_derivatives(m):
    length = torch.tensor([0.3, 2.0, 5.0, 1.0], dtype=torch.float64)
    similarity = length * torch.tensor([0.9, 0.2, -0.3, -0.8], dtype=torch.float64)
    torch.testing.assert_close(long_psi(similarity, length, m), length * psi(similarity / length, m))
    leaves = (similarity.requires_grad_(), length.requires_grad_())
    assert torch.autograd.gradcheck(lambda s, n: long_psi(s, n, m), leaves)
    assert torch.autograd.gradgradcheck(lambda s, n: long_psi(s, n, m), leaves)


@pytest.mark.parametrize("size", [1e-310, 1e-160, 1e160, 1e307])
def test_slopes_of_psi_of_a_length_do_not_depend_on_it(size):
    found = []
    for length in (1.0, size):
        leaves = [torch.tensor([value * length], dtype=torch.float64, requires_grad=True) for value in (0.6, 1.0)]
        long_psi(leaves[0], leaves[1], 4).sum().backward()
        found.append([leaf.grad for leaf in leaves])
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)
