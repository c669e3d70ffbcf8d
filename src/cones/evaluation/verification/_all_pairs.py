from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .._arrays import UNKNOWN, Array, as_features, as_labels, strangers_apart
from .._checks import check_embeddings, check_integers
from ..progress import Progress, silent
from ..similarity import Similarity, zero_rows
from ._bins import turned
from ._deciding import deciding, likely, too_many
from ._figures import Verification, verification_of
from ._histogram import ScoreHistogram
from ._points import OperatingPoints
from ._settings import VerificationSettings
from ._tiles import Tile, Tiles, count, count_and_keep, keep, tiles_of


@torch.no_grad()
def verification_of_all_pairs(
    embeddings: Array,
    labels: Array,
    far: Sequence[float] = (1e-3, 1e-4, 1e-5),
    similarity: Similarity = "cosine",
    *,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    tile: int = 1024,
    group: Any = None,
    progress: Progress = silent,
) -> Verification:
    """`verification` of all N (N - 1) / 2 pairs of labelled embeddings, in bounded memory.

    The pairs are streamed over tiles of the upper triangle of X X^T. Their scores are those of `pair_scores` to the
    last bit, and are counted in 2^18 bins by the first bits of float32. The few bins in which a figure is decided are
    guessed from the tiles along the diagonal, which hold all genuine pairs, and in these every distinct score is kept;
    where the guess was wrong the tiles are computed once more. So TAR, FRR and reached rate at each FAR, EER, minDCF
    and all thresholds are exact. The AUC counts a half for pairs of scores in one bin; `auc_error` bounds its error.

    Time is about that of the product of the upper triangle; twice that after a wrong guess, or where there are so
    few classes that genuine pairs are everywhere. Memory is a float64 copy of the embeddings and some 300 MB.

    Args:
        embeddings: (N, D), any floating dtype; computed in float64. A zero row has cosine 0 with everything.
        labels: (N,) integers or text, the subject of each row; -1 for one that is not known: it pairs as an impostor
            with every row.
        far: the requested false accept rates, each in [0, 1].
        similarity: "cosine", or "euclidean" for -|a - b|, in the unit of the embeddings.
        p_target: p, the prior of a genuine pair.
        costs: C_miss and C_fa, of a genuine pair rejected and of an impostor pair accepted.
        min_pairs: fewer genuine or impostor pairs than this carry no rate.
        tile: rows and columns of a tile.
        group: a torch.distributed.ProcessGroup whose processes share the tiles, each with all the embeddings; every
            one gets the figures of all pairs. None for one process.
        progress: reports the tiles that are done.

    Returns:
        `Verification`, with `auc_error` and `zero_rows`.

    Raises:
        ValueError: for shapes or types that do not fit, a row that is not finite, or a setting out of range.
        RuntimeError: the product of the same rows gave other bits the second time.

    Reference: as of `verification`.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        >>> v = verification_of_all_pairs(x, torch.tensor([0, 0, 1, 1]), far=(0.25,), min_pairs=2)
        >>> v.genuine, v.impostors, v.tar[0].tar, round(v.tar[0].threshold, 6)
        (2, 4, 1.0, 0.3)
    """
    rows, subjects, _ = rows_and_subjects(embeddings, labels)
    settings = VerificationSettings(far, p_target, costs, min_pairs)
    if tile < 1:
        raise ValueError(f"tile is {tile}, expected at least 1 row: 1024 is a good size")
    tiles = tiles_of(rows, subjects, similarity, tile)
    if not len(rows):
        return verification_of(ScoreHistogram(rows.device).points()[0], settings)
    points, bins = points_of_tiles(tiles, settings, group, progress)
    return verification_of(points, settings, auc_error(points, bins), zero_rows(rows, similarity))


def rows_and_subjects(embeddings: Array, labels: Array) -> tuple[Tensor, Tensor, bool]:
    """Embeddings (N, D); subjects (N,) with each unknown one numbered apart, below 0; and whether there are any."""
    rows = as_features("embeddings", embeddings)
    check_embeddings(rows)
    numbers, _ = as_labels("labels", labels)
    check_integers("labels", numbers, (len(rows),), "one subject per row")
    return rows, strangers_apart(numbers), bool((numbers == UNKNOWN).any())


def points_of_tiles(
    tiles: Tiles, settings: VerificationSettings, group: Any = None, progress: Progress = silent
) -> tuple[OperatingPoints, Tensor]:
    """Operating points of all pairs, exact where a figure is decided; and their bins, see `ScoreHistogram.points`."""
    histogram = ScoreHistogram(tiles.rows.device, group)
    rank, world = (0, 1) if group is None else (dist.get_rank(group), dist.get_world_size(group))
    mixed, pure = (kind[rank::world] for kind in tiles.mixed_and_pure())
    _fill(histogram, tiles, mixed, pure, settings, progress)
    return histogram.points()


def _fill(
    histogram: ScoreHistogram,
    tiles: Tiles,
    mixed: list[Tile],
    pure: list[Tile],
    settings: VerificationSettings,
    progress: Progress,
) -> None:
    """Count all pairs, and keep the scores in every bin that decides a figure."""
    count(tiles, mixed, histogram, progress)
    points, bins = histogram.points()
    if not _both(points):
        count(tiles, pure, histogram, progress)
    else:
        pairs = len(tiles.rows) * (len(tiles.rows) - 1) // 2
        chosen = likely(points, bins, settings)
        if too_many(points, bins, chosen, pairs):
            chosen.zero_()
        guess = turned(deciding(points, bins, settings) | chosen)
        count_and_keep(tiles, pure, histogram, guess, progress)
        keep(tiles, mixed, histogram, guess, progress)
        histogram.settle(guess)
    points, bins = histogram.points()
    missed = turned(deciding(points, bins, settings)) if _both(points) else None
    if missed is not None and bool(missed.any()):
        keep(tiles, mixed + pure, histogram, missed, progress)
        histogram.settle(missed)


def _both(points: OperatingPoints) -> bool:
    return int(points.genuine[-1]) > 0 and int(points.impostors[-1]) > 0


def auc_error(points: OperatingPoints, bins: Tensor) -> float:
    """A bound on the error of the AUC: a pair of scores in one bin counts a half, where 0 or 1 may be right."""
    if not _both(points):
        return 0.0
    genuine, impostors = points.genuine.diff().double(), points.impostors.diff().double()
    within = (genuine * impostors)[bins[1:] >= 0].sum() / 2
    return float(within / genuine.sum() / impostors.sum())
