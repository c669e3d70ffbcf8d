"""Gradients of the named backbones where PyTorch's kernels are least reliable: few channels, channels last."""

import pytest
import torch

from cones.backbones import build


@pytest.mark.parametrize("width", [0.02, 0.05, 0.1, 0.12])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["resnet", "lenets", "lsoftmax-net"])
def test_narrow_nets_have_right_gradients_channels_last(name, channels, width):
    torch.manual_seed(0)
    net = build(name, (channels, 32, 32), 4, width)
    exact = build(name, (channels, 32, 32), 4, width).double()
    exact.load_state_dict(net.state_dict())
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, upstream = torch.randn(8, channels, 32, 32), torch.randn(8, 4)
    found = gradients(net, images.contiguous(memory_format=torch.channels_last), upstream)
    expected = gradients(exact, images.double(), upstream.double())
    noise = 1e-5 * max(wanted.norm() for wanted in expected)  # a bias before a norm has no gradient but rounding
    for got, wanted in zip(found, expected, strict=True):
        assert (got - wanted).norm() <= 1e-3 * wanted.norm() + noise


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (6, 13), (8, 16), (13, 26)])
@pytest.mark.parametrize("side", [5, 16])
def test_the_strided_shortcut_equals_a_strided_convolution(before, after, side):
    torch.manual_seed(0)
    from cones.backbones._resnet import _Pointwise

    layer = _Pointwise(before, after, 2).double()
    x = torch.randn(3, before, side, side, dtype=torch.float64)
    plain = torch.nn.functional.conv2d(x, layer.weight, stride=2)
    torch.testing.assert_close(layer(x.contiguous(memory_format=torch.channels_last)), plain)


def gradients(net, images, upstream):
    net.train()
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    return torch.autograd.grad(net(images), (images, *net.parameters()), upstream)
