"""Cosine layers against the definition, one receptive field at a time."""

import numpy as np
import pytest
import torch

from cones import CosineConv2d, CosineLinear
from tests.narrowing import grad_of


def cosine(a, b, centered):
    if centered:
        a, b = a - a.mean(), b - b.mean()
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / length) if length > 1e-12 else 0.0


@pytest.mark.parametrize("centered", [False, True])
def test_linear_is_the_cosine(centered):
    torch.manual_seed(0)
    layer = CosineLinear(5, 4, centered=centered, dtype=torch.float64)
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    out = layer(x)
    assert out.shape == (2, 3, 4)
    w = layer.weight.detach().numpy()
    for index in np.ndindex(2, 3, 4):
        assert out[index].item() == pytest.approx(cosine(x[index[:2]].numpy(), w[index[2]], centered), abs=1e-12)
    assert torch.autograd.gradcheck(layer, torch.randn(2, 5, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_convolution_is_the_cosine_of_each_receptive_field(centered, stride, padding):
    torch.manual_seed(0)
    layer = CosineConv2d(2, 3, (3, 2), stride=stride, padding=padding, centered=centered, dtype=torch.float64)
    x = torch.randn(2, 2, 6, 5, dtype=torch.float64)
    out = layer(x)
    fields = torch.nn.functional.unfold(x, (3, 2), stride=stride, padding=padding).numpy()
    flat = out.flatten(2)
    for n, k, place in np.ndindex(*flat.shape):
        kernel = layer.weight[k].detach().flatten().numpy()
        assert flat[n, k, place].item() == pytest.approx(cosine(fields[n, :, place], kernel, centered), abs=1e-10)
    assert torch.autograd.gradcheck(layer, torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 1000.0])
def test_constant_inputs_are_finite_and_zero_where_they_have_no_direction(centered, value):
    for layer, x in (
        (CosineLinear(6, 3, centered=centered), torch.full((2, 6), value)),
        (CosineConv2d(2, 3, 3, centered=centered), torch.full((1, 2, 5, 5), value)),
    ):
        x.requires_grad_()
        out = layer(x)
        out.sum().backward()
        assert torch.isfinite(grad_of(x)).all()
        assert torch.isfinite(grad_of(layer.weight)).all()
        assert (out.abs() <= 1 + 1e-5).all()
        if value == 0 or centered:
            assert (out == 0).all()
            assert (grad_of(x) == 0).all()


def test_length_of_weight_and_input_does_not_matter():
    torch.manual_seed(0)
    layer, x = CosineConv2d(1, 4, 3, padding=1), torch.randn(2, 1, 7, 7)
    before = layer(x)
    layer.weight.data *= 7
    torch.testing.assert_close(layer(3 * x), before)
    assert "centered=False" in repr(layer)
    assert "centered=True" in repr(CosineLinear(2, 3, centered=True))


def test_errors():
    with pytest.raises(ValueError, match=r"x has 4 features in its last dimension, expected 5"):
        CosineLinear(5, 3)(torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 5, 5\), expected \(N, 2, H, W\)"):
        CosineConv2d(2, 3, 3)(torch.zeros(2, 3, 5, 5))
