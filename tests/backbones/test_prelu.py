"""PReLU against PyTorch's own."""

import pytest
import torch
from torch import nn

from cones.backbones._prelu import PReLU
from tests.narrowing import grad_of


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 4, 5, 6), (0, 4, 2, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("channels_last", [False, True])
def test_it_is_the_same_as_pytorchs(shape, dtype, channels_last):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=dtype).clamp(min=-1.5)
    x.flatten()[:2] = 0.0
    if channels_last and x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    upstream = torch.randn(shape, dtype=dtype)
    results = []
    for kind in (PReLU, nn.PReLU):
        layer = kind(4, dtype=dtype)
        layer.weight.data.copy_(torch.tensor([0.25, -0.5, 0.0, 2.0]))
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        results.append((y, *torch.autograd.grad(y, (leaf, layer.weight), upstream)))
    (y, d_x, d_slope), (y_torch, d_x_torch, d_slope_torch) = results
    assert torch.equal(y, y_torch)
    assert torch.equal(d_x, d_x_torch)
    assert not y.numel() or y.stride() == y_torch.stride()
    torch.testing.assert_close(d_slope, d_slope_torch)


def test_one_slope_for_all_channels():
    x = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    layer = PReLU(dtype=torch.float64)
    assert torch.equal(layer(x), nn.PReLU(dtype=torch.float64)(x))
    assert torch.autograd.gradcheck(lambda x, a: torch.func.functional_call(layer, {"weight": a}, x), (x, layer.weight))


def test_gradients_of_gradients():
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    layer = PReLU(3, dtype=torch.float64)
    call = lambda x, a: torch.func.functional_call(layer, {"weight": a}, x)  # noqa: E731
    assert torch.autograd.gradgradcheck(call, (x, layer.weight))


def test_infinity_and_nan_pass_through():
    x = torch.tensor([[float("inf"), -float("inf"), float("nan")]])
    assert torch.equal(PReLU(3)(x).isnan(), torch.tensor([[False, False, True]]))
    assert PReLU(3)(x)[0, :2].tolist() == [float("inf"), -float("inf")]


def test_autocast_keeps_bfloat16():
    x = torch.randn(2, 3, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    layer = PReLU(3)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    y.float().sum().backward()
    assert y.dtype == grad_of(x).dtype == torch.bfloat16
    assert grad_of(layer.weight).dtype == torch.float32
