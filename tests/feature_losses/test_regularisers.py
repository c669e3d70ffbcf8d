"""Minimum hyperspherical energy and RegularFace against their equations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones import MHE, RegularFace
from cones.feature_losses import _blocks
from tests.losses import problem
from tests.narrowing import grad_of

POWERS = [0, 1, 2, 0.5]


def unit(rows):
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(length == 0, 0, rows / np.where(length == 0, 1, length))


def energy(loss, w):
    """E, from the equation, over all ordered pairs."""
    w, terms = unit(w), []
    for i in range(len(w)):
        for j in range(len(w)):
            if i != j:
                d = max(np.linalg.norm(w[i] - w[j]), loss.floor)
                terms.append(math.log(1 / d) if loss.power == 0 else d**-loss.power)
    return np.mean(terms) if terms else 0.0


def largest_cosines(w):
    """L, from the equation."""
    cosine = unit(w) @ unit(w).T
    return np.mean([np.delete(row, i).max() for i, row in enumerate(cosine)]) if len(w) > 1 else 0.0


def simplex(k):
    """K directions with cosine -1 / (K - 1) to each other."""
    return torch.eye(k).double() - 1 / k


@pytest.mark.parametrize("power", POWERS)
@settings(max_examples=25)
@given(k=st.integers(1, 12), d=st.integers(2, 5), seed=st.integers(0, 10**6), block=st.integers(1, 60))
def test_energy_whatever_the_blocks(power, k, d, seed, block):
    _, w, _, _ = problem(1, k, d, seed)
    loss = MHE(power)
    whole = loss(w.requires_grad_())
    (whole_gradient,) = torch.autograd.grad(whole, w)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK", block)
        cut = loss(w)
        (cut_gradient,) = torch.autograd.grad(cut, w)
    assert whole.item() == pytest.approx(energy(loss, w.detach().numpy()), rel=1e-9, abs=1e-12)
    torch.testing.assert_close(cut, whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(cut_gradient, whole_gradient, rtol=1e-10, atol=1e-10)


@settings(max_examples=25)
@given(k=st.integers(1, 12), d=st.integers(2, 5), seed=st.integers(0, 10**6), block=st.integers(1, 60))
def test_regularface_whatever_the_blocks(k, d, seed, block):
    _, w, _, _ = problem(1, k, d, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK", block)
        loss = RegularFace()(w.requires_grad_())
    assert loss.item() == pytest.approx(largest_cosines(w.detach().numpy()), abs=1e-12)


@pytest.mark.parametrize("power", POWERS)
def test_gradcheck_in_blocks(power, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 20)
    _, w, _, _ = problem(k=9)
    assert torch.autograd.gradcheck(MHE(power), w.requires_grad_())
    assert torch.autograd.gradcheck(RegularFace(), w)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_the_regular_simplex_is_the_best(k):
    """Its cosines are -1 / (K - 1), its squared distances 2 K / (K - 1), and nothing pulls at it."""
    w = simplex(k).requires_grad_()
    assert RegularFace()(w).item() == pytest.approx(-1 / (k - 1))
    assert MHE(power=2)(w).item() == pytest.approx((k - 1) / (2 * k))
    assert MHE(power=0)(w).item() == pytest.approx(-0.5 * math.log(2 * k / (k - 1)))
    for power in POWERS:
        (gradient,) = torch.autograd.grad(MHE(power)(w), w)
        assert gradient.abs().max() < 1e-12
    _, other, _, _ = problem(1, k, k)
    for loss in (RegularFace(), MHE(), MHE(1), MHE(2)):
        assert loss(other) > loss(w)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_coincident_rows(power, dtype):
    """Two rows on one another and one across: the pair counts as 0.01 apart and has no gradient of its own."""
    w = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], dtype=dtype, requires_grad=True)
    loss = MHE(power)(w)
    loss.backward()
    f = (lambda d: math.log(1 / d)) if power == 0 else (lambda d: d**-power)
    assert loss.item() == pytest.approx((f(0.01) + 2 * f(2**0.5)) / 3, rel=1e-6)
    assert torch.isfinite(grad_of(w)).all()
    assert (grad_of(w)[2] == torch.tensor([grad_of(w)[2, 0], 0.0], dtype=dtype)).all()
    assert grad_of(w)[2, 0] > 0  # pushed the other way
    torch.testing.assert_close(grad_of(w)[0], 2 * grad_of(w)[1])  # alike, but for the lengths


def test_all_rows_the_same():
    w = torch.ones(5, 3, requires_grad=True)
    for loss, value in ((MHE(power=2), 1e4), (RegularFace(), 1.0)):
        w.grad = None
        found = loss(w)
        found.backward()
        assert found.item() == pytest.approx(value, rel=1e-5)
        assert grad_of(w).abs().max() < 1e-6


def test_the_floor_is_a_choice():
    w = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert MHE(power=1, floor=0.5)(w).item() == pytest.approx(2.0)


def test_a_zero_row_is_at_distance_one_and_has_cosine_zero():
    w = torch.tensor([[0.0, 0.0], [3.0, 0.0]], requires_grad=True)
    for loss, value in ((MHE(power=1), 1.0), (MHE(), 0.0), (RegularFace(), 0.0)):
        w.grad = None
        found = loss(w)
        found.backward()
        assert found.item() == value
        assert (grad_of(w) == 0).all()


def test_regularface_takes_the_first_of_the_nearest():
    w = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    RegularFace()(w).backward()
    # rows 1 and 2 are both at cosine 0 of row 0, and row 0 is the nearest of both
    torch.testing.assert_close(w.grad, torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]], dtype=torch.float64) / 3)
