"""What processes that share the classes tell each other, as explicit functions on local tensors.

P ranks; rank r has n_r rows of features and c_r classes. Everything is built on one exchange, an all-to-all whose
transpose is the same exchange backwards, so that gradients are right whatever the losses do with what was exchanged.
One sentence rules them: each rank's loss is the mean over its own rows, and every gradient, of the backbone and of W,
is the average over ranks, exactly as DistributedDataParallel makes it.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple, cast
from zlib import crc32

import torch
import torch.distributed as dist
from torch import Tensor

import cones

from ..margins import Margin
from .checks import check_label_kind, check_range

Group = Any
"""A torch.distributed.ProcessGroup; None for one process alone."""


class Ranks(NamedTuple):
    """Who has what in a step.

    Attributes:
        group: the processes that share the classes.
        rank: this one, 0..P-1.
        rows: n_r of each.
        classes: c_r of each, in the order of their numbers.
    """

    group: Group
    rank: int
    rows: list[int]
    classes: list[int]

    @property
    def world(self) -> int:
        """P."""
        return len(self.rows)

    @property
    def first_class(self) -> int:
        """The number of this rank's first class."""
        return sum(self.classes[: self.rank])

    @property
    def num_classes(self) -> int:
        """K, of all ranks together."""
        return sum(self.classes)


def shard(num_classes: int, rank: int, world: int) -> tuple[int, int]:
    """The classes (start, stop) of a rank: shares in order, as even as can be, the first ones larger.

    Raises:
        ValueError: there are fewer classes than ranks.

    Example:
        >>> [shard(23, rank, 3) for rank in range(3)]
        [(0, 8), (8, 16), (16, 23)]
    """
    if num_classes < world:
        raise ValueError(f"num_classes is {num_classes}, but {world} ranks share them: expected one class a rank")
    share, more = divmod(num_classes, world)
    start = rank * share + min(rank, more)
    return start, start + share + (rank < more)


def meet(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    group: Group,
    *,
    settings: Mapping[str, str],
    rows: Tensor | None = None,
) -> tuple[Ranks | None, Tensor]:
    """Tell all ranks how many rows and classes this one has, and which labels; without a group there is none to tell.

    Args:
        features: (N, D) of this rank.
        labels: (N,) of this rank, integers among all classes.
        num_classes: C, of this rank.
        group: the processes, or None.
        settings: by name, what all ranks must have alike.
        rows: (N,) the numbers of the rows among the caller's, where some were left out.

    Returns:
        who has what, or None; and (M,) int64 where the own class of each row of all ranks stands among the C here.

    Raises:
        TypeError, ValueError: labels are wrong, on this rank or on another, or ranks have different settings: all ranks
            raise, none waits for ever.
    """
    if group is None:
        return None, labels.long()
    wrong: Exception | None = None
    try:
        check_label_kind(labels, len(features))
    except (TypeError, ValueError) as error:
        wrong = error
    low, high = (0, 0) if wrong or not len(features) else (int(bound) for bound in labels.aminmax())
    code = crc32(repr(sorted(settings.items())).encode())
    mine = torch.tensor([len(features), num_classes, low, high, int(wrong is None), code], device=features.device)
    num_rows, classes, lows, highs, right, codes = torch.stack(_of_all(mine, group)).T.tolist()
    if len(set(codes)) > 1:
        raise ValueError(_disagreement(settings, group))
    ranks = Ranks(group, dist.get_rank(group), num_rows, classes)
    if wrong is not None:
        raise wrong
    check_range(labels, ranks.num_classes, rows)
    for rank in range(ranks.world):
        if not right[rank] or lows[rank] < 0 or highs[rank] >= ranks.num_classes:
            raise ValueError(
                f"labels are wrong on rank {rank}, see its own error; there are {ranks.num_classes} classes "
                f"(0..{ranks.num_classes - 1})"
            )
    return ranks, gather(labels.long(), ranks) - ranks.first_class


def settings_text(margin: Margin, **others: object) -> dict[str, str]:
    """What all ranks must have alike, as texts by name: the margin, other settings, and the libraries' versions."""
    values = {field.name: _brief(getattr(margin, field.name)) for field in fields(margin)}
    written = f"{type(margin).__name__}({', '.join(f'{name}={value}' for name, value in values.items())})"
    versions = {"the version of cones": cones.__version__, "the version of torch": torch.__version__}
    return {"margin": written, **{name: str(value) for name, value in (others | versions).items()}}


def _brief(value: object) -> str:
    """The repr of a value, that of a long one told by its beginning and a checksum; of a tensor its shape alone.

    A tensor's numbers may be learnt, and differ by rounding.
    """
    if isinstance(value, Tensor):
        return f"<tensor {tuple(value.shape)}>"
    text = repr(value)
    return text if len(text) < 60 else f"{text[:40]}... (checksum {crc32(text.encode()):08x})"


def _disagreement(settings: Mapping[str, str], group: Group) -> str:
    """What to say where the settings of the ranks are not the same: which, and who has what."""
    everyone: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(everyone, dict(settings), group=group)
    parts = []
    for name in settings:
        ranks_by_value: dict[str, list[str]] = {}
        for rank, its in enumerate(everyone):
            ranks_by_value.setdefault(its.get(name, "nothing"), []).append(str(rank))
        if len(ranks_by_value) > 1:
            told = ", ".join(f"{value} on rank {' '.join(ranks)}" for value, ranks in ranks_by_value.items())
            parts.append(f"{name} is {told}")
    return f"the ranks that share the classes disagree: {'; '.join(parts)}: build the same head on each"


def count(num_rows: int, num_classes: int, group: Group, device: torch.device) -> Ranks:
    """Tell all ranks how many rows and classes this one has."""
    rows, classes = torch.stack(_of_all(torch.tensor([num_rows, num_classes], device=device), group)).T.tolist()
    return Ranks(group, dist.get_rank(group), rows, classes)


def _of_all(mine: Tensor, group: Group) -> list[Tensor]:
    everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everyone, mine, group=group)
    return everyone


def gather(x: Tensor, ranks: Ranks) -> Tensor:
    """The rows of all ranks, (sum of n_r, ...), from this one's (n, ...); its transpose adds up and brings home."""
    copies = x.expand(ranks.world, *x.shape).reshape(-1, *x.shape[1:])
    return _exchange(copies, [len(x)] * ranks.world, ranks.rows, ranks.group)


def home(x: Tensor, ranks: Ranks) -> Tensor:
    """What each rank found for this rank's rows, (P, n, ...), from what this one found for all, (sum of n_r, ...)."""
    mine = ranks.rows[ranks.rank]
    return _exchange(x, ranks.rows, [mine] * ranks.world, ranks.group).view(ranks.world, mine, *x.shape[1:])


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """x, whose gradient is multiplied by a factor.

    What an exchange brings back to W is the sum over ranks. The average is taken on the small side, of rows, before
    the gradient of W is made: 1 / P on what comes of a rank's classes, P on the features and numbers that went in.
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
