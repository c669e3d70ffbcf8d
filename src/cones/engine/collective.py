"""Differentiable collectives for class-sharded heads, as explicit functions on local tensors.

P ranks; rank r has n_r rows of features and c_r classes, M rows in all. Everything is built on one exchange, an
all-to-all whose transpose is the same exchange backwards, so that gradients are right whatever the losses do with what
was exchanged. One sentence rules them: each rank's loss is the mean over its own rows, and every gradient, of the
backbone and of W, is the average over ranks, exactly as DistributedDataParallel makes it.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from .ranks import Group, Ranks


def gather(tensors: Sequence[Tensor], counts: Sequence[Sequence[int]], group: Group) -> tuple[Tensor, ...]:
    """Concatenate the rows of all ranks, of several tensors in one exchange; the transpose adds up and returns them.

    Args:
        tensors: of one dtype, the i-th (counts[i][rank], ...).
        counts: rows of each tensor on each rank.
        group: the ranks.

    Returns:
        the tensors with the rows of all ranks, the i-th (sum of counts[i], ...). Gradients of tensors that need none
        are not sent.
    """
    return cast(tuple[Tensor, ...], _Gather.apply(counts, group, *tensors))  # type: ignore[no-untyped-call]


def home(x: Tensor, ranks: Ranks) -> Tensor:
    """Return each row's values to the rank that owns it: (P, n, ...), one part per rank, from this one's (M, ...)."""
    mine = ranks.rows[ranks.rank]
    return _exchange(x, ranks.rows, [mine] * ranks.world, ranks.group).view(ranks.world, mine, *x.shape[1:])


def columns_home(scores: Tensor, ranks: Ranks) -> Tensor:
    """Return each row's scores of all classes to the rank that owns it: (n, K), from (M, C) of the classes here."""
    parts = home(F.pad(scores, (0, max(ranks.classes) - scores.shape[1])), ranks)
    return torch.cat([part[:, :share] for part, share in zip(parts, ranks.classes, strict=True)], dim=1)


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """x, whose gradient is multiplied by a factor.

    An exchange returns to W the sum over ranks. The average is taken on the small side, of rows, before the gradient of
    W is made: 1 / P on what a rank's classes return, P on the features and numbers that went in.
    """
    return cast(Tensor, _ScaleGradient.apply(x, factor))  # type: ignore[no-untyped-call]


def replicated(x: Tensor, group: Group) -> Tensor:
    """x, the same on every rank, whose gradient is averaged over the ranks; x itself where the group is None."""
    return x if group is None else cast(Tensor, _Average.apply(x, group))  # type: ignore[no-untyped-call]


def total(x: Tensor, ranks: Ranks) -> Tensor:
    """The sum of x over the ranks, on each; it is its own transpose."""
    return cast(Tensor, _Total.apply(x, ranks.group))  # type: ignore[no-untyped-call]


def _exchange(x: Tensor, send: list[int], receive: list[int], group: Group) -> Tensor:
    return cast(Tensor, _Exchange.apply(x, send, receive, group))  # type: ignore[no-untyped-call]


class _Exchange(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, send: list[int], receive: list[int], group: Group) -> Tensor:
        ctx.back = receive, send, group
        out = x.new_empty((sum(receive), *x.shape[1:]))
        dist.all_to_all_single(out, x.contiguous(), receive, send, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        return _exchange(grads[0], *ctx.back), None, None, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, counts: Sequence[Sequence[int]], group: Group, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.counts, ctx.group, ctx.shapes = counts, group, [tensor.shape for tensor in tensors]
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        # sizes[r][i]: numbers of the i-th tensor on rank r
        sizes = list(zip(*(_sizes(*each) for each in zip(counts, ctx.shapes, strict=True)), strict=True))
        world = len(sizes)
        received = _exchange(flat.repeat(world), [len(flat)] * world, [sum(each) for each in sizes], group)
        pieces = [part.split(each) for part, each in zip(received.split([sum(s) for s in sizes]), sizes, strict=True)]
        return tuple(
            torch.cat(parts).view(-1, *shape[1:])
            for parts, shape in zip(zip(*pieces, strict=True), ctx.shapes, strict=True)
        )

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        wanted = [i for i in range(len(grads)) if ctx.needs_input_grad[i + 2]]
        pieces = [grads[i].reshape(-1).split(_sizes(ctx.counts[i], ctx.shapes[i])) for i in wanted]
        by_rank = list(zip(*pieces, strict=True))
        own = [math.prod(ctx.shapes[i]) for i in wanted]
        sent = torch.cat([part for parts in by_rank for part in parts])
        send, receive = [sum(map(len, parts)) for parts in by_rank], [sum(own)] * len(by_rank)
        summed = _exchange(sent, send, receive, ctx.group).view(len(by_rank), -1).sum(dim=0).split(own)
        gradients: list[Tensor | None] = [None] * (len(grads) + 2)
        for i, part in zip(wanted, summed, strict=True):
            gradients[i + 2] = part.view(ctx.shapes[i])
        return tuple(gradients)


def _sizes(counts: Sequence[int], shape: torch.Size) -> list[int]:
    """Numbers of a tensor (n, ...) on each rank, from its rows there."""
    return [count * math.prod(shape[1:]) for count in counts]


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.factor, None


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _Total.apply(grads[0] / dist.get_world_size(ctx.group), ctx.group), None  # type: ignore[no-untyped-call]


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        x = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _Total.apply(grads[0], ctx.group), None  # type: ignore[no-untyped-call]
