from collections.abc import Sequence

import torch
from torch import Tensor

from ._bins import turned
from ._check import check_integers, check_settings
from ._points import Points
from ._similarity import Similarity, float32_rows
from ._tally import Tally
from ._tiles import Tiles, sweep, tiles_of
from ._verification import Verification, figures, too_low
from ._wanted import deciding, likely


@torch.no_grad()
def verification_of_all_pairs(
    embeddings: Tensor,
    labels: Tensor,
    far: Sequence[float] = (1e-3, 1e-4, 1e-5),
    similarity: Similarity = "cosine",
    *,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    tile: int = 1024,
) -> Verification:
    """`verification` of all N (N - 1) / 2 pairs of labelled embeddings, in bounded memory.

    The pairs are streamed over tiles of the upper triangle of X X^T. Their float32 scores are counted in 2^18 bins
    by their first bits. The few bins in which a figure is decided are guessed from the tiles along the diagonal,
    which hold all genuine pairs, and in these every distinct score is kept; where the guess was wrong the tiles are
    gone through once more. So TAR, FRR and reached rate at each FAR, EER, minDCF and all thresholds are exact. The
    AUC counts a half for pairs of scores in one bin, and `auc_error` bounds what that can be off by.

    Time is about that of the product of the upper triangle; twice that after a wrong guess, or where there are so
    few classes that genuine pairs are everywhere. Memory is two float32 copies of the embeddings and
    some 200 MB.

    Args:
        embeddings: (N, D), any floating dtype; computed in float32. A zero row has cosine 0 with everything.
        labels: (N,) integers, the subject of each row.
        far: the false accept rates asked for, each in [0, 1].
        similarity: "cosine", or "euclidean" for -|a - b|^2 = 2 a·b - |a|^2 - |b|^2, right to float32 rounding of
            |a|^2 + |b|^2.
        p_target: p, the prior of a genuine pair.
        costs: C_miss and C_fa, of a genuine pair rejected and of an impostor pair accepted.
        min_pairs: fewer genuine or impostor pairs than this carry no rate.
        tile: rows and columns of a tile.

    Returns:
        `Verification`, with `auc_error`.

    Raises:
        ValueError: for shapes or types that do not fit, a row that is not finite, or a setting out of range.
        RuntimeError: the product of the same rows gave other bits the second time.

    Reference: as of `verification`.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        >>> found = verification_of_all_pairs(x, torch.tensor([0, 0, 1, 1]), far=(0.25,), min_pairs=2)
        >>> found.genuine, found.impostors, found.tar[0].tar, round(found.tar[0].threshold, 6)
        (2, 4, 1.0, 0.6)
    """
    rows = float32_rows(embeddings, similarity)
    check_integers("labels", labels, (len(rows),), "one subject a row")
    check_settings(far, p_target, costs, min_pairs)
    if tile < 1:
        raise ValueError(f"tile is {tile}, expected at least 1 row: 1024 is a good size")
    tally = Tally(rows.device)
    if len(rows):
        _count(tiles_of(rows, labels.to(rows.device), similarity, tile), tally, far, p_target, costs)
    points, bins = tally.points()
    error = _auc_error(points, bins) if _both(points) else 0.0
    return figures(points, far, p_target, costs, min_pairs, error)


def _count(tiles: Tiles, tally: Tally, far: Sequence[float], p_target: float, costs: tuple[float, float]) -> None:
    """Fill the tally, so that every bin that decides a figure is exact."""
    mixed, pure = tiles.mixed_and_pure()
    sweep(tiles, mixed, True, tally, True, None)
    points, bins = tally.points()
    if not _both(points):
        sweep(tiles, pure, False, tally, True, None)
    else:
        guess = deciding(points, bins, far, p_target, costs) | likely(points, bins, far, p_target, costs)
        wanted = turned(guess)
        sweep(tiles, pure, False, tally, True, wanted)
        sweep(tiles, mixed, True, tally, False, wanted)
        tally.settle(wanted)
    points, bins = tally.points()
    if not _both(points):
        return
    asked = [rate for rate in far if too_low(rate, int(points.impostors[-1])) is None]
    wanted = turned(deciding(points, bins, asked, p_target, costs))
    if bool(wanted.any()):
        sweep(tiles, pure, False, tally, False, wanted)
        sweep(tiles, mixed, True, tally, False, wanted)
        tally.settle(wanted)


def _both(points: Points) -> bool:
    return int(points.genuine[-1]) > 0 and int(points.impostors[-1]) > 0


def _auc_error(points: Points, bins: Tensor) -> float:
    """A pair of scores in one bin is counted as a half, and may be 0 or 1."""
    genuine, impostors = points.genuine.diff().double(), points.impostors.diff().double()
    within = (genuine * impostors)[bins[1:] >= 0].sum() / 2
    return float(within / genuine.sum() / impostors.sum())
