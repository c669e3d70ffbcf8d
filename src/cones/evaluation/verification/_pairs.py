"""Lists of the pairs that decide: all genuine pairs, and the impostor pairs of high score."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..progress import Progress, silent
from ._points import OperatingPoints
from ._tiles import Tile, Tiles, reported

MOST_IMPOSTORS = 2**21
MOST_GENUINE = 2**23


class ScoredPairs(NamedTuple):
    """Pairs of one kind, by score.

    Attributes:
        score: (P,) floats, falling.
        rows: (P, 2) int64, positions in the evaluated embeddings or pairs.
        subjects: (P, 2) int64, numbers 0..S-1 of the subjects at both ends.
    """

    score: Tensor
    rows: Tensor
    subjects: Tensor


@dataclass(frozen=True, eq=False)
class PairList:
    """Scored pairs of both kinds, with their subjects.

    Attributes:
        genuine: all of them.
        impostors: those of high score, or all.
        complete: whether all impostor pairs are in the list.
        labels: (S,) integers, the subjects, rising.
        rows: (S,) int64, number of rows of each subject; empty where the pairs themselves were given.
    """

    genuine: ScoredPairs
    impostors: ScoredPairs
    complete: bool
    labels: Tensor
    rows: Tensor


def floor_of(points: OperatingPoints, most: int = MOST_IMPOSTORS) -> float:
    """The lowest threshold that accepts at most `most` impostor pairs; -inf where that is all of them."""
    if int(points.impostors[-1]) <= most:
        return -torch.inf
    return float(points.threshold[int((points.impostors <= most).sum()) - 1])


def list_pairs(tiles: Tiles, floor: float, progress: Progress = silent) -> PairList:
    """All genuine pairs of the rows, and the impostor pairs with score >= floor."""
    genuine, impostors = _Growing(tiles.rows.device), _Growing(tiles.rows.device)
    mixed, pure = tiles.mixed_and_pure()
    for tile in reported("pairs of high score", mixed + pure, progress):
        scores = tiles.scores(tile)
        same, impostor = _kinds(tiles, tile, scores.shape)
        impostors.add(tile, scores, impostor & (scores >= floor))
        if tile.mixed:
            genuine.add(tile, scores, same)
    # numbered by their labels, so that a seed draws the same subjects as from a list of the pairs
    labels, numbers = tiles.labels.sort()
    numbers = numbers.argsort()
    rows = torch.bincount(numbers[tiles.classes], minlength=len(labels))
    scored = [_scored(tiles, numbers, *kind.all()) for kind in (genuine, impostors)]
    return PairList(scored[0], scored[1], floor == -torch.inf, labels, rows)


def given_pairs(scores: Tensor, same: Tensor, subjects: Tensor | None, rows: Tensor | None) -> PairList:
    """A list of given pairs.

    Args:
        scores: (N,).
        same: (N,) bool.
        subjects: (N, 2) integers; None where they are not known.
        rows: (N, 2) integers; None for the position of the pair itself, twice.
    """
    device = scores.device
    if rows is None:
        rows = torch.arange(len(scores), device=device)[:, None].expand(-1, 2)
    labels = torch.empty(0, dtype=torch.int64, device=device)
    numbers = torch.zeros_like(rows)
    if subjects is not None:
        labels, numbers = torch.unique(subjects.to(device), return_inverse=True)
    scored = []
    for kind in (same, ~same):
        order = scores[kind].argsort(descending=True, stable=True)
        scored.append(ScoredPairs(*(part[kind][order] for part in (scores, rows, numbers))))
    return PairList(scored[0], scored[1], True, labels, labels.new_empty(0))


def _kinds(tiles: Tiles, tile: Tile, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Masks of the genuine and of the impostor pairs of a tile; each pair is in one tile only."""
    i, j = tiles.slices(tile)
    same = tiles.classes[i, None] == tiles.classes[j]
    if tile.row != tile.column:
        return same, ~same
    above = torch.ones(shape, dtype=torch.bool, device=same.device).triu_(1)
    return same & above, ~same & above


class _Growing:
    """Scores and rows of pairs in arrays that double: a small array that outlives each tile fragments the memory."""

    def __init__(self, device: torch.device) -> None:
        self._scores = torch.empty(2**16, dtype=torch.float64, device=device)
        self._rows = torch.empty(2**16, 2, dtype=torch.int32, device=device)
        self._count = 0

    def add(self, tile: Tile, scores: Tensor, chosen: Tensor) -> None:
        """Append the chosen pairs of a tile."""
        picked, places = scores[chosen], chosen.nonzero()
        stop = self._count + len(picked)
        while stop > len(self._scores):
            self._scores, self._rows = (
                torch.cat([part, torch.empty_like(part)]) for part in (self._scores, self._rows)
            )
        self._scores[self._count : stop] = picked
        self._rows[self._count : stop] = places + torch.tensor([tile.row, tile.column], device=places.device)
        self._count = stop

    def all(self) -> tuple[Tensor, Tensor]:
        """Scores (P,) and rows (P, 2), in the order of the tiles."""
        return self._scores[: self._count], self._rows[: self._count].long()


def _scored(tiles: Tiles, numbers: Tensor, scores: Tensor, rows: Tensor) -> ScoredPairs:
    scores, order = scores.sort(descending=True, stable=True)
    rows = rows[order]
    return ScoredPairs(scores, tiles.order[rows], numbers[tiles.classes[rows]])
