import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..head import Head
from ..margins import ArcFace, CosFace, Margin
from ._read import WeightsError
from ._weights import find, head_of


def from_insightface(
    shards: Sequence[Mapping[str, Tensor]],
    *,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    scale: float = 64.0,
    num_classes: int | None = None,
) -> Head:
    """Convert PartialFC_V2 with CombinedMarginLoss of insightface's arcface_torch to an equal head.

        m3 > 0              CosFace(m3, scale): CombinedMarginLoss does not look at m1 and m2 then
        m1 = 1 and m3 = 0   ArcFace(m2, scale, tail="plain", straight_through=True)

    Its ArcFace has the paper's cosine, which rises again past theta = pi - m2, and a backward without the margin's
    slope; both are kept, so that a training goes on as it began. For what the paper differentiates, put
    `head.margin = ArcFace(m2, scale)`. With sample_rate below 1 the losses of training see a random part of the
    classes, on either side; filtering of other classes (interclass_filtering_threshold) is not carried over.

    Args:
        shards: the states of all ranks, in the order of the ranks (`in_rank_order` sorts their files): the contents of
            checkpoint_gpu_R.pt, of its "state_dict_softmax_fc", or of rank_R_softmax_weight.pt. Classes are numbered
            through them.
        m1, m2, m3: the margin_list of its configuration; m2 in radians.
        scale: s, 64 in its train_v2.py.
        num_classes: K, if known: the shards must then make up as many.

    Returns:
        a `Head` of all classes, in the shards' dtype, at least float32.

    Raises:
        ValueError: the margins are those that CombinedMarginLoss refuses.
        WeightsError: a shard holds no weight, or the shards do not fit together.

    Source: insightface, recognition/arcface_torch: losses.py, partial_fc_v2.py, train_v2.py. An older losses.py there
    has ArcFace with the true gradient and the jumping tail: that is ArcFace(m2, scale, tail="monotone").

    Example:
        >>> shards = [{"weight": torch.randn(6, 4)}, {"weight": torch.randn(5, 4)}]
        >>> head = from_insightface(shards, m2=0.5)
        >>> head.num_classes, head.margin
        (11, ArcFace(margin=0.5, scale=64.0, tail='plain', straight_through=True))
    """
    made = _margin(m1, m2, m3, float(scale))
    weights = [find(shard, r"(state_dict_softmax_fc\.)?weight", "weight") for shard in shards]
    _check_shards([tuple(weight.shape) for weight in weights], num_classes)
    return head_of(torch.cat(weights), made)


def in_rank_order(paths: Sequence[Path]) -> list[Path]:
    """The files of the ranks in the order of the ranks, by the number in checkpoint_gpu_R.pt and the like.

    A shell sorts checkpoint_gpu_10.pt before checkpoint_gpu_2.pt; classes joined so would have wrong numbers.

    Args:
        paths: files of all ranks. One file alone is returned as it is.

    Returns:
        the same files, that of rank 0 first.

    Raises:
        ValueError: a name has no number after "gpu" or "rank", or the numbers are not 0, 1, 2, ... without gaps.

    Source: the names that arcface_torch gives its files.

    Example:
        >>> [path.name for path in in_rank_order([Path("checkpoint_gpu_1.pt"), Path("checkpoint_gpu_0.pt")])]
        ['checkpoint_gpu_0.pt', 'checkpoint_gpu_1.pt']
    """
    if len(paths) == 1:
        return list(paths)
    by_rank: dict[int, Path] = {}
    for path in paths:
        match = re.search(r"(?:gpu|rank)_?(\d+)", path.name)
        if match is None:
            raise ValueError(f"{path.name} does not say its rank: expected names like checkpoint_gpu_0.pt")
        if int(match[1]) in by_rank:
            raise ValueError(f"{path} and {by_rank[int(match[1])]} are both of rank {int(match[1])}: pass one of them")
        by_rank[int(match[1])] = path
    missing = set(range(max(by_rank) + 1)) - by_rank.keys()
    if missing:
        raise ValueError(f"rank {min(missing)} is missing among ranks {', '.join(map(str, sorted(by_rank)))}: pass all")
    return [by_rank[rank] for rank in sorted(by_rank)]


def _margin(m1: float, m2: float, m3: float, scale: float) -> Margin:
    if m3 > 0:
        if m2 > 0:
            warnings.warn(
                f"m2={m2} had no part in that training: CombinedMarginLoss ignores it where m3 is above 0, and so does "
                f"this head; a margin with both is CombinedMargin(m1={m1}, m2={m2}, m3={m3}, scale={scale})",
                stacklevel=3,
            )
        return CosFace(m3, scale)
    if m1 != 1 or m3 != 0:
        raise ValueError(f"m1, m2, m3 are {m1}, {m2}, {m3}: CombinedMarginLoss takes m3 > 0, or m1 = 1 and m3 = 0")
    return ArcFace(m2, scale, tail="plain", straight_through=True)


def _check_shards(shapes: list[tuple[int, ...]], num_classes: int | None) -> None:
    if not shapes:
        raise WeightsError("there are no shards: pass the state of every rank")
    rows, dims = zip(*shapes, strict=True)
    if len(set(dims)) > 1:
        raise WeightsError(f"shards have {', '.join(map(str, dims))} dims: expected the same of every rank")
    total = sum(rows)
    even = [total // len(rows) + (rank < total % len(rows)) for rank in range(len(rows))]
    if list(rows) != even:
        raise WeightsError(
            f"shards have {', '.join(map(str, rows))} classes, but PartialFC splits {total} into "
            f"{', '.join(map(str, even))}: are all ranks there, in order, and of one training?"
        )
    if num_classes is not None and total != num_classes:
        raise WeightsError(f"shards have {total} classes together, but num_classes is {num_classes}: is one missing?")
