"""Batch norm and dropout of a batch whose rows are shared among processes, on any device.

P ranks; rank r has n_r rows, M all together. Both give each row what one process gives it that has all M rows.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ..common.all_ranks import stacked


def over_ranks(module: nn.Module, group: Any) -> nn.Module:
    """Let every batch norm and dropout in a module work over the rows of all ranks, as in one process.

    Statistics of a batch norm in training are those of all rows, and so are their gradients; its running statistics
    are the same on every rank. Dropout draws for all rows from PyTorch's generator, which must have the same state on
    every rank, and each rank takes its own. Names in `state_dict()` stay the same. torch.nn.SyncBatchNorm does
    the former on GPUs alone.

    Args:
        module: changed in place; parameters and buffers stay the same objects.
        group: process group; each rank passes its own rows, in the order of the ranks. None changes nothing.

    Returns:
        the module, or its replacement where it is itself a batch norm or dropout.

    Raises:
        ValueError: it holds an AlphaDropout, whose draws are not shared; in training, all ranks together have one value
            per channel for a batch norm.

    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015, arXiv 1502.03167, Algorithm 1, over the rows of all
    ranks; spreads are added up as Chan, Golub and LeVeque 1983 do.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        >>> over_ranks(net, None) is net
        True
    """
    if group is None:
        return module
    if isinstance(module, _BatchNorm):
        return _BatchNormOverRanks(module, group)
    if isinstance(module, _DropoutNd):
        return _DropoutOverRanks(module, group)
    for name, child in module.named_children():
        setattr(module, name, over_ranks(child, group))
    return module


class _BatchNormOverRanks(_BatchNorm):
    """A batch norm of M rows."""

    def __init__(self, of: _BatchNorm, group: Any) -> None:
        super().__init__(0, of.eps, of.momentum, affine=False, track_running_stats=False)
        self.num_features, self.affine, self.track_running_stats = of.num_features, of.affine, of.track_running_stats
        for name in ("weight", "bias"):
            self.register_parameter(name, getattr(of, name))
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(of, name))
        self.training, self.group = of.training, group

    def forward(self, input: Tensor) -> Tensor:
        """Normalise rows (n, C, ...) by the mean and the variance of all ranks' rows."""
        if not (self.training or self.running_mean is None):
            return super().forward(input)
        normalised, mean, variance, count = _Normalise.apply(input, self.weight, self.bias, self.eps, self.group)  # type: ignore[no-untyped-call]
        if self.training and self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            unbiased = variance * (count / (count - 1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)
        return cast(Tensor, normalised)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"input has shape {tuple(input.shape)}, expected (N, C, ...)")


class _DropoutOverRanks(nn.Module):
    """A dropout of M rows."""

    def __init__(self, of: _DropoutNd, group: Any) -> None:
        super().__init__()
        self.p, self.whole_channels = of.p, not isinstance(of, nn.Dropout | nn.AlphaDropout)
        if isinstance(of, nn.AlphaDropout | nn.FeatureAlphaDropout):
            raise ValueError(f"{type(of).__name__} cannot be shared among processes: use Dropout")
        self.training, self.group = of.training, group

    def forward(self, x: Tensor) -> Tensor:
        """Zero entries of rows (n, ...), or whole channels, with probability p, and divide the others by 1 - p."""
        if not self.training or self.p == 0:
            return x
        before, rows = _rows_before(len(x), x.device, self.group)
        shape = (rows, *(x.shape[1:] if not self.whole_channels else (x.shape[1], *[1] * (x.dim() - 2))))
        kept = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=_layout(x, shape))
        kept = kept.bernoulli_(1 - self.p)[before : before + len(x)]
        return x * (kept / (1 - self.p) if self.p < 1 else kept)

    def extra_repr(self) -> str:
        """Fields that `print` shows."""
        return f"p={self.p}"


def _layout(x: Tensor, shape: tuple[int, ...]) -> torch.memory_format:
    last = len(shape) == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _rows_before(rows: int, device: torch.device, group: Any) -> tuple[int, int]:
    """Rows on the ranks before this one, and on all."""
    counts = stacked(torch.tensor([rows], device=device), group).view(-1).tolist()
    return sum(counts[: dist.get_rank(group)]), sum(counts)


class _Normalise(torch.autograd.Function):
    """x_hat = (x - mean) / sqrt(var + eps), y = w x_hat + b, with mean and var (C,) over the rows of all ranks.

    With N numbers per channel on all ranks together and sums over them,

        dx = w / sqrt(var + eps) (dy - sum(dy) / N - x_hat sum(dy x_hat) / N)
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, group: Any
    ) -> tuple[Tensor, Tensor, Tensor, int]:
        axes, count = [0, *range(2, x.dim())], x.numel() // x.shape[1]
        numbers = x.to(torch.promote_types(x.dtype, torch.float32))
        exact = torch.float32 if x.device.type == "mps" else torch.float64
        pack = torch.zeros(2 * x.shape[1] + 1, dtype=exact, device=x.device)
        if count:
            variance, mean = torch.var_mean(numbers, axes, correction=0)
            pack = torch.cat([pack.new_tensor([count]), mean.to(exact), count * variance.to(exact)])
        parts = stacked(pack, group)
        counts, means, spreads = parts[:, :1], *parts[:, 1:].chunk(2, dim=1)
        total = counts.sum()
        if total <= 1:
            raise ValueError(
                f"batch norm in training has {int(total)} value per channel on all ranks, expected more than 1: "
                f"use larger batches"
            )
        mean = (counts * means).sum(dim=0) / total
        variance = (spreads + counts * (means - mean) ** 2).sum(dim=0) / total
        inverse = (variance + eps).rsqrt().to(numbers.dtype)
        ctx.save_for_backward(x, weight, mean.to(numbers.dtype), inverse)
        ctx.axes, ctx.count, ctx.group = axes, int(total), group
        ctx.mark_non_differentiable(mean, variance)
        factor = inverse if weight is None else inverse * weight
        y = (numbers - _per_channel(mean.to(numbers.dtype), x)) * _per_channel(factor, x)
        y = y if bias is None else y + _per_channel(bias, x)
        return y.to(x.dtype), mean, variance, int(total)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        d_y = grads[0].to(mean.dtype)
        x_hat = (x.to(mean.dtype) - _per_channel(mean, x)) * _per_channel(inverse, x)
        mine = torch.stack([d_y.sum(ctx.axes), (d_y * x_hat).sum(ctx.axes)])
        sums = stacked(mine, ctx.group).sum(dim=0) / ctx.count
        factor = inverse if weight is None else inverse * weight
        d_x = (d_y - _per_channel(sums[0], x) - x_hat * _per_channel(sums[1], x)) * _per_channel(factor, x)
        d_weight, d_bias = (None, None) if weight is None else (mine[1].to(weight.dtype), mine[0].to(weight.dtype))
        return d_x.to(x.dtype), d_weight, d_bias, None, None


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    """(C,) values, to be broadcast over x (n, C, ...)."""
    return values.view(1, -1, *[1] * (x.dim() - 2))
