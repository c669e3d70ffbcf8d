"""Contract of every margin where other libraries return NaN: poles, zero vectors, huge and tiny ones, four dtypes."""

import numpy as np
import pytest
import torch

from tests.engine.contract import each_margin, engine, formula, rows_at, scale_of
from tests.losses import EVERY_MARGIN, problem
from tests.narrowing import grad_of

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
    losses = engine(leaf_x, leaf_w, y, margin)
    losses.sum().backward()
    assert losses.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert grad_of(leaf_x).dtype == dtype
    assert grad_of(leaf_w).dtype == leaf_w.dtype
    assert torch.isfinite(losses).all()
    assert torch.isfinite(grad_of(leaf_x)).all()
    assert torch.isfinite(grad_of(leaf_w)).all()
    expected = formula(x.numpy(), w.numpy(), y.numpy(), margin)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5 * max(1.0, scale_of(margin))
    np.testing.assert_allclose(losses.detach().double().numpy(), expected, atol=tolerance, rtol=tolerance)
    if margin.features == "unit":
        assert (grad_of(leaf_x)[3] == 0).all()
    if margin.weights == "unit":
        assert (grad_of(leaf_w)[3] == 0).all()


@each_margin
@pytest.mark.parametrize("pole", [1.0, -1.0])
def test_gradient_at_the_poles_is_the_size_of_the_one_beside(margin, pole):
    def slope_at(cosine):
        similarity = torch.tensor([cosine], dtype=torch.float64, requires_grad=True)
        torch.manual_seed(0)
        margin.target(similarity, rows_at(similarity, margin)).sum().backward()
        return float(grad_of(similarity))

    beside = slope_at(pole * (1 - 2**-53))
    assert np.isclose(slope_at(pole), beside, rtol=0.5), (slope_at(pole), beside)


@each_margin
def test_features_past_the_unit_by_rounding_do_no_harm(margin):
    """Self-cosines exceed 1 by rounding in a quarter of float32 rows: none may turn into a NaN."""
    generator = torch.Generator().manual_seed(1)
    w = torch.randn(300, 3, generator=generator)
    x = (w * torch.rand(300, 1, generator=generator)).requires_grad_()
    losses = engine(x, w, torch.arange(300), margin)
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert torch.isfinite(grad_of(x)).all()


@pytest.mark.parametrize("margin", [m for m in EVERY_MARGIN if m.features == m.weights == "unit"], ids=repr)
def test_extreme_magnitudes(margin):
    """Squares of these would overflow or vanish in float32."""
    x, w, y, _ = problem(dtype=torch.float32)
    expected = engine(x, w, y, margin)
    for factor in (1e-30, 1e30):
        leaf = (x * factor).requires_grad_()
        losses = engine(leaf, w * factor, y, margin)
        losses.sum().backward()
        if not uses_norms(margin):
            torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-4)
        assert torch.isfinite(losses).all()
        assert torch.isfinite(leaf.grad).all()


def uses_norms(margin):
    """Tell whether a unit/unit margin depends on the norm of features."""
    return type(margin).__name__ in {"AdaFace", "MagFace"}


def falls(margin):
    """Tell whether the target logit of a margin falls all the way; cases that the papers do not claim are left out."""
    return getattr(margin, "tail", "smooth") in ("smooth", "clip") and type(margin).__name__ not in NOT_FALLING


NOT_FALLING = {
    "ArcNegFace",  # its authors' fallback past pi - m jumps
    "CurricularFace",  # the same
    "NPCFace",  # the easy margin jumps at cosine 0
    "MVSoftmax",  # the easy margin jumps at cosine 0; the plain angular one rises past pi - m
    "AdaFace",  # where z is -1 nothing is subtracted, and the clip of the angle stands above the cosine near pi
    "ElasticFace",  # every row draws another margin
    "MagFace",  # the easy margin jumps at cosine 0
}
"""Margins by name whose papers have jumps, or a target above the neutral logit."""


@pytest.mark.parametrize("margin", [margin for margin in EVERY_MARGIN if falls(margin)], ids=repr)
def test_target_logit_falls_with_the_angle(margin):
    theta = torch.linspace(0, torch.pi, 4001, dtype=torch.float64)
    logit = margin.target(theta.cos(), rows_at(theta.cos(), margin))
    assert (logit.diff() <= 1e-9).all()
    assert (logit <= scale_of(margin) * theta.cos() + 1e-9).all()
    if getattr(margin, "tail", "smooth") == "smooth":
        slope = logit.diff() / theta.diff()  # continuous: no jump of the slope either
        assert slope.diff().abs().max() < 0.1 * scale_of(margin)
