"""Rows and classes per rank, and whether the ranks agree, of a head whose classes are sharded.

P ranks; rank r has n_r rows of features and c_r classes; M rows in all.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple
from zlib import crc32

import torch
import torch.distributed as dist
from torch import Tensor

import cones

from ..common.all_ranks import stacked
from ..margins import Margin
from .checks import check_label_kind, check_range

Group = Any
"""A torch.distributed.ProcessGroup; None for one process alone."""

LABELS_WITH_SIZES = 2**10
"""Labels of a rank that travel with its sizes, in one exchange of a few KB; more follow in an exchange of their own."""


class Ranks(NamedTuple):
    """Rows and classes per rank.

    Attributes:
        group: the processes that share the classes.
        rank: this one, 0..P-1.
        rows: n_r of each.
        classes: c_r of each, in the order of their numbers.
        labels: (M,) int64, of the rows of all ranks; None where there are no labels.
    """

    group: Group
    rank: int
    rows: list[int]
    classes: list[int]
    labels: Tensor | None = None

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

    @property
    def own_rows(self) -> slice:
        """This rank's rows among those of all ranks."""
        start = sum(self.rows[: self.rank])
        return slice(start, start + self.rows[self.rank])

    def owners(self) -> Tensor:
        """(M,) the rank that holds the class of each row."""
        assert self.labels is not None
        stops = torch.tensor(self.classes, device=self.labels.device).cumsum(0)
        return torch.bucketize(self.labels, stops, right=True)


def shard(num_classes: int, rank: int, world: int) -> tuple[int, int]:
    """Return the classes (start, stop) of a rank: shares in order, as even as can be, the first ones larger.

    Raises:
        ValueError: there are fewer classes than ranks.

    Example:
        >>> [shard(23, rank, 3) for rank in range(3)]
        [(0, 8), (8, 16), (16, 23)]
    """
    if num_classes < world:
        raise ValueError(
            f"num_classes is {num_classes}, but {world} ranks share them: expected at least one class per rank"
        )
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
    seed: Tensor | None = None,
) -> tuple[Ranks | None, Tensor, Tensor | None]:
    """Exchange sizes, labels and a seed with all ranks, in one collective; without a group there are none to exchange.

    Args:
        features: (N, D) of this rank.
        labels: (N,) of this rank, integers among all classes.
        num_classes: C, of this rank.
        group: the processes, or None.
        settings: by name, what all ranks must have alike.
        rows: (N,) the numbers of the rows among the caller's, where some were left out.
        seed: 0-dim int64 on the CPU, of this rank's random draws; or None, on all ranks alike, where nothing is drawn.

    Returns:
        rows and classes per rank, or None; the local labels (M,) int64: the number of each row's own class among the
        C here, outside of 0..C-1 where it is on another rank; and rank 0's seed.

    Raises:
        TypeError, ValueError: labels are wrong, on this rank or on another, or ranks have different settings: all ranks
            raise, none hangs.
    """
    if group is None:
        # in a graph `check_labels` raises as it runs, and an index in the same kernel must not fail before
        compiling = torch.compiler.is_compiling()
        return None, labels.long().clamp(0, num_classes - 1) if compiling else labels.long(), seed
    wrong: Exception | None = None
    try:
        check_label_kind(labels, len(features))
    except (TypeError, ValueError) as error:
        wrong = error
    low, high = (0, 0) if wrong or not len(features) else (int(bound) for bound in labels.aminmax())
    code = crc32(repr(sorted(settings.items())).encode())
    drawn = 0 if seed is None else int(seed)
    header = torch.tensor(
        [len(features), num_classes, low, high, int(wrong is None), code, drawn], device=features.device
    )
    first = header.new_zeros(LABELS_WITH_SIZES)
    if wrong is None:
        first[: len(labels)] = labels[:LABELS_WITH_SIZES]
    everyone = stacked(torch.cat([header, first]), group)
    num_rows, classes, lows, highs, right, codes, seeds = everyone[:, : len(header)].T.tolist()
    if len(set(codes)) > 1:
        raise ValueError(
            f"the ranks that share the classes disagree: {differences(settings, group)}: build the same head on each"
        )
    ranks = Ranks(group, dist.get_rank(group), num_rows, classes)
    if wrong is not None:
        raise wrong
    check_range(labels, ranks.num_classes, rows)
    for rank in range(ranks.world):
        if not right[rank] or lows[rank] < 0 or highs[rank] >= ranks.num_classes:
            raise ValueError(
                f"labels are wrong on rank {rank}, see the error there; there are {ranks.num_classes} classes "
                f"(0..{ranks.num_classes - 1})"
            )
    everyone = everyone[:, len(header) :]
    if max(num_rows) > LABELS_WITH_SIZES:
        labels = rows_of_all(labels.long(), ranks)
    else:
        labels = torch.cat([row[:count] for row, count in zip(everyone, num_rows, strict=True)])
    return ranks._replace(labels=labels), labels - ranks.first_class, None if seed is None else torch.tensor(seeds[0])


def settings_text(margin: Margin, **others: object) -> dict[str, str]:
    """Return what all ranks must have alike, as texts by name: margin, other settings, versions of the libraries."""
    values = {field.name: _brief(getattr(margin, field.name)) for field in fields(margin)}
    written = f"{type(margin).__name__}({', '.join(f'{name}={value}' for name, value in values.items())})"
    versions = {"the version of cones": cones.__version__, "the version of torch": torch.__version__}
    return {"margin": written, **{name: str(value) for name, value in (others | versions).items()}}


class Settings:
    """Texts of what all ranks must have alike, made again only for another margin or dtype."""

    def __init__(self) -> None:
        self._made_for: tuple[Margin, torch.dtype] | None = None
        self._texts: dict[str, str] = {}

    def texts(self, margin: Margin, dtype: torch.dtype, **others: object) -> dict[str, str]:
        """Return `settings_text` with the dtype of the features."""
        if self._made_for is None or self._made_for[0] is not margin or self._made_for[1] != dtype:
            self._made_for = margin, dtype
            self._texts = {**settings_text(margin, **others), "the dtype of features": str(dtype)}
        return self._texts


def _brief(value: object) -> str:
    """The repr of a value; of a long one its beginning and a checksum, of a tensor its shape alone.

    A tensor's numbers may be learnt, and differ by rounding.
    """
    if isinstance(value, Tensor):
        return f"<tensor {tuple(value.shape)}>"
    text = repr(value)
    return text if len(text) < 60 else f"{text[:40]}... (checksum {crc32(text.encode()):08x})"


def differences(settings: Mapping[str, object], group: Group) -> str:
    """Exchange settings with all ranks, and return in words which differ, with their values; "" for none."""
    everyone: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(everyone, {name: str(value) for name, value in settings.items()}, group=group)
    parts = []
    for name in dict.fromkeys(name for its in everyone for name in its):
        ranks_by_value: dict[str, list[str]] = {}
        for rank, its in enumerate(everyone):
            ranks_by_value.setdefault(its.get(name, "nothing"), []).append(str(rank))
        if len(ranks_by_value) > 1:
            values = ", ".join(f"{value} on rank {' '.join(ranks)}" for value, ranks in ranks_by_value.items())
            parts.append(f"{name} is {values}")
    return "; ".join(parts)


def count(num_rows: int, num_classes: int, group: Group, device: torch.device) -> Ranks:
    """Exchange with all ranks how many rows and classes each has."""
    rows, classes = stacked(torch.tensor([num_rows, num_classes], device=device), group).T.tolist()
    return Ranks(group, dist.get_rank(group), rows, classes)


def rows_of_all(x: Tensor, ranks: Ranks) -> Tensor:
    """x (N,) of this rank's rows, of the rows of all ranks, (M,); not differentiable."""
    padded = x.new_zeros(max(ranks.rows))
    padded[: len(x)] = x
    everyone = stacked(padded, ranks.group)
    return torch.cat([row[:count] for row, count in zip(everyone, ranks.rows, strict=True)])
