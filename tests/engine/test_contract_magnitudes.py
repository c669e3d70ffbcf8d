"""Vectors of any size, in every precision: no NaN, and infinity only where the true value overflows."""

import math

import pytest
import torch

from tests.engine.contract import dense, engine
from tests.losses import ARTIFICIAL, EVERY_MARGIN, every_pair

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
NORMS = {"AdaFace", "MagFace", "Bending", "Biased", "Binary", "Surveying"}
"""Margins over unit vectors that look at lengths all the same."""


def of_length_one(vectors):
    """Rows with largest entry 1, and what they were divided by; zero rows as they are."""
    vectors = vectors.double()
    largest = vectors.abs().amax(dim=1, keepdim=True)
    largest = torch.where(largest == 0, 1, largest)
    return vectors / largest, largest


def assert_as_true(gradient, of_one, divisor, dtype):
    """The gradient equals the true one where the dtype can represent it, and is not NaN elsewhere."""
    exponent = of_one.abs().clamp(min=1e-300).log10() - divisor.log10()  # of the true one, which float64 may not hold
    fits = exponent < math.log10(torch.finfo(dtype).max) - 0.5
    counts = fits & (exponent > math.log10(torch.finfo(dtype).tiny))
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-3}.get(dtype, 0.05)
    assert not gradient.isnan().any()
    assert torch.isfinite(gradient[fits]).all()
    found = gradient.double() * divisor
    assert ((found - of_one).abs() <= tolerance * of_one.abs().max())[counts].all()


ONE_OF_EACH = list({type(m): m for m in (*EVERY_MARGIN, *ARTIFICIAL) if type(m).__name__ != "Bending"}.values())


@pytest.mark.parametrize("margin", ONE_OF_EACH, ids=repr)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_margins_at_every_size(margin, dtype, monkeypatch):
    lengthless = margin.features == margin.weights == "unit" and type(margin).__name__ not in NORMS
    # inner products of two huge vectors overflow, and with them a loss of vectors as they are
    most = torch.finfo(torch.promote_types(dtype, torch.float32)).max ** (0.9 if lengthless else 0.4)
    x, w, y = every_pair(dtype, min(most, torch.finfo(dtype).max / 4))
    (one_x, long_x), (one_w, long_w) = of_length_one(x), of_length_one(w)
    ones = [one_x.requires_grad_(), one_w.requires_grad_()]
    expected = dense(*ones, y, margin)
    expected.sum().backward()
    for path in ("dense", "small", "stream"):
        monkeypatch.setattr("cones.engine.small.SMALL", 0 if path == "stream" else 2**14)
        monkeypatch.setattr("cones.engine.few_logits.FEW", 0 if path == "stream" else 2**22)
        leaves = [x.clone().requires_grad_(), w.clone().requires_grad_()]
        losses = (dense if path == "dense" else engine)(*leaves, y, margin)
        losses.sum().backward()
        assert torch.isfinite(losses).all()
        assert not any(leaf.grad.isnan().any() for leaf in leaves)
        if lengthless:
            tolerance = 1e-9 if dtype == torch.float64 else 1e-3
            torch.testing.assert_close(losses.double(), expected, rtol=tolerance, atol=tolerance)
            assert_as_true(leaves[0].grad, one_x.grad, long_x, dtype)
            assert_as_true(leaves[1].grad, one_w.grad, long_w, dtype)
