"""Small pieces that the backbones share."""

from torch import nn


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
    """Convolution (same size at stride 1), optional batch norm, PReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=not norm)
    ]
    if norm:
        layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers, nn.PReLU(out_channels))
