"""Cosine normalization: layers whose pre-activation is a cosine instead of a dot product."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .common.unit_vectors import direction

__all__ = ["CosineConv2d", "CosineLinear"]

Pair = int | tuple[int, int]


class CosineLinear(nn.Module):
    """A linear layer that returns cosines: o_j = w_j . x / (|w_j| |x|), in [-1, 1].

    Centered, it is Pearson's correlation: the mean of each vector's own entries is taken off both sides first.
    There is no bias, no scale and no running statistic, so training and inference are the same function. Where it
    is the last layer of a classifier, multiply its output by a scale. A zero (centered: constant) vector has
    cosine 0 and gradient 0.

    Args:
        in_features: D.
        out_features: K.
        centered: whether to subtract the means.
        device, dtype: of the weight.

    Attributes:
        weight: (K, D), starts normal; its length does not matter.

    Reference: Luo, Zhan, Wang, Yang, "Cosine Normalization: Using Cosine Similarity Instead of Dot Product in
    Neural Networks", arXiv 1702.05870.

    Example:
        >>> layer = CosineLinear(2, 1)
        >>> _ = layer.weight.data.copy_(torch.tensor([[0.0, 2.0]]))
        >>> layer(torch.tensor([[3.0, 4.0]]))
        tensor([[0.8000]], grad_fn=<ViewBackward0>)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        centered: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.centered = centered
        self.weight = nn.Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Cosines (..., K) of inputs (..., D)."""
        if x.shape[-1] != self.weight.shape[1]:
            raise ValueError(f"x has {x.shape[-1]} features in its last dimension, expected {self.weight.shape[1]}")
        rows = x.reshape(-1, x.shape[-1])
        a, b = (_centered(rows), _centered(self.weight)) if self.centered else (rows, self.weight)
        cosines = direction(a)[0] @ direction(b)[0].T
        return cosines.reshape(*x.shape[:-1], -1)

    def extra_repr(self) -> str:
        """Fields that `print` shows."""
        return f"in_features={self.weight.shape[1]}, out_features={self.weight.shape[0]}, centered={self.centered}"


class CosineConv2d(nn.Module):
    """A convolution that returns cosines between each kernel and each receptive field, padding included.

        o = conv(x, w) / (|w| sqrt(conv(x^2, 1)))
        centered: o = conv(x, w - mean(w)) / (|w - mean(w)| sqrt(conv(x^2, 1) - conv(x, 1)^2 / n))

    with n = C kh kw. A receptive field that is zero (centered: constant, to rounding) has cosine 0, gradient 0.

    Args:
        in_channels, out_channels, kernel_size, stride, padding: as torch.nn.Conv2d.
        centered: whether to subtract the mean of each receptive field and of each kernel.
        device, dtype: of the weight.

    Attributes:
        weight: (out_channels, in_channels, kh, kw), starts normal; its length does not matter.

    Reference: Luo, Zhan, Wang, Yang, arXiv 1702.05870.

    Example:
        >>> CosineConv2d(3, 8, kernel_size=3, padding=1)(torch.zeros(1, 3, 5, 5)).abs().max()
        tensor(0., grad_fn=<MaxBackward1>)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        *,
        centered: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.stride, self.padding, self.centered = stride, padding, centered
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, height, width, device=device, dtype=dtype))
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Cosines (N, out_channels, H', W') of images (N, in_channels, H, W)."""
        if x.dim() != 4 or x.shape[1] != self.weight.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (N, {self.weight.shape[1]}, H, W)")
        kernels = self.weight.flatten(1)
        unit = direction(_centered(kernels) if self.centered else kernels)[0].view_as(self.weight)
        ones = torch.ones_like(self.weight[:1])
        dot = F.conv2d(x, unit, stride=self.stride, padding=self.padding)
        squared = F.conv2d(x * x, ones, stride=self.stride, padding=self.padding)
        present = squared > 0
        if self.centered:
            n = kernels.shape[1]
            spread = squared - F.conv2d(x, ones, stride=self.stride, padding=self.padding).square() / n
            # what cancellation leaves of a constant field is rounding, not spread
            present = spread > n * torch.finfo(squared.dtype).eps * squared
            squared = spread
        return torch.where(present, dot * torch.where(present, squared, 1).rsqrt(), 0)

    def extra_repr(self) -> str:
        """Fields that `print` shows."""
        channels_out, channels_in, *kernel = self.weight.shape
        return (
            f"{channels_in}, {channels_out}, kernel_size={tuple(kernel)}, stride={self.stride}, "
            f"padding={self.padding}, centered={self.centered}"
        )


def _centered(rows: Tensor) -> Tensor:
    """Rows (N, D) less the mean of each; a constant row becomes exactly 0."""
    centered = rows - rows.mean(dim=1, keepdim=True)
    constant = rows.amax(dim=1, keepdim=True) == rows.amin(dim=1, keepdim=True)
    return torch.where(constant, 0, centered)
