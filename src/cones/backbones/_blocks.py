"""Small pieces that the backbones share."""

from torch import nn

from ._prelu import PReLU

SLOPE = 0.25
"""Where the slopes of PReLU start (He et al. 2015)."""


def scaled(channels: int, width: float) -> int:
    """channels times width, at least 1."""
    return max(1, round(channels * width))


def check_sizes(owner: str, *, channels: int, image_size: int, feature_dim: int, width: float, smallest: int) -> None:
    """Raise ValueError for sizes that a backbone cannot have; `smallest` is its smallest image side in pixels."""
    for name, value in (("channels", channels), ("feature_dim", feature_dim)):
        if value < 1:
            raise ValueError(f"{owner}: {name} is {value}, expected at least 1")
    if image_size < smallest:
        raise ValueError(f"{owner}: image_size is {image_size}, expected at least {smallest} pixels")
    if not width > 0:
        raise ValueError(f"{owner}: width is {width}, expected a number above 0")


def convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, norm: bool = False
) -> nn.Sequential:
    """Convolution (same size at stride 1), optional batch norm, PReLU; starts so that variances stay as they are."""
    first = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=not norm)
    nn.init.kaiming_normal_(first.weight, a=SLOPE, nonlinearity="leaky_relu")
    if first.bias is not None:
        nn.init.zeros_(first.bias)
    norms = [nn.BatchNorm2d(out_channels)] if norm else []
    return nn.Sequential(first, *norms, PReLU(out_channels, init=SLOPE))
