"""All pairs of labelled rows as tiles of the upper triangle of their product."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..progress import Progress, silent
from ..search.scores import Score, Similarity, score_named, slices
from ._bins import GENUINE, NO_PAIR, by_bits
from ._check import check_embeddings
from ._tally import ScoreHistogram, of_codes

BLOCK = 2**14
LONGEST = 2.0**62
"""Rows up to this norm have distances that float32, which sorts the scores into bins, can hold with room to spare."""


class Tile(NamedTuple):
    """First row and first column, and whether genuine pairs may be in it."""

    row: int
    column: int
    mixed: bool


@dataclass(frozen=True)
class Tiles:
    """Rows (N, D) sorted by class, so that pairs of one class lie along the diagonal.

    Attributes:
        rows: (N, D) float64, as `score` makes them.
        classes: (N,) integers, rising.
        order: (N,) int64, the position of each row in the embeddings.
        labels: (C,) integers, the label of each class.
        score: cosine or distance, exact whatever the tile.
        size: rows and columns of a tile.
    """

    rows: Tensor
    classes: Tensor
    order: Tensor
    labels: Tensor
    score: Score
    size: int

    def mixed_and_pure(self) -> tuple[list[Tile], list[Tile]]:
        """The tiles that may hold genuine pairs, and those that hold impostor pairs alone."""
        starts = range(0, len(self.rows), self.size)
        firsts = {start: int(self.classes[start]) for start in starts}
        lasts = {start: int(self.classes[min(start + self.size, len(self.rows)) - 1]) for start in starts}
        tiles = [Tile(i, j, i == j or firsts[j] <= lasts[i]) for i in starts for j in starts if i <= j]
        return [tile for tile in tiles if tile.mixed], [tile for tile in tiles if not tile.mixed]

    def scores(self, tile: Tile) -> Tensor:
        """The scores (size, size) of a tile, float64."""
        i, j = self.slices(tile)
        return self.score.unfold(self.score.scores(self.rows[i], self.rows[j]))

    def coded(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """The scores of a tile and their codes for a `ScoreHistogram`, flat; a pair has one code in all tiles."""
        scores = self.scores(tile)
        codes = by_bits(scores)
        if tile.mixed:
            i, j = self.slices(tile)
            codes += (self.classes[i, None] == self.classes[j]).int().mul_(GENUINE)
        if tile.row == tile.column:
            codes.masked_fill_(torch.ones_like(codes, dtype=torch.bool).tril_(), NO_PAIR)
        return scores.flatten(), codes.flatten()

    def slices(self, tile: Tile) -> tuple[slice, slice]:
        """Its rows and its columns."""
        return slice(tile.row, tile.row + self.size), slice(tile.column, tile.column + self.size)


def tiles_of(embeddings: Tensor, labels: Tensor, similarity: Similarity, size: int) -> Tiles:
    """Rows in an order by class; the order of the classes is drawn, so that near tiles tell of far ones.

    Raises:
        ValueError: embeddings that are not (N, D) and finite, rows too long for distances, or another similarity.
    """
    check_embeddings(embeddings)
    if similarity not in ("cosine", "euclidean"):
        raise ValueError(f'similarity is {similarity!r}, expected "cosine" or "euclidean"')
    score = score_named(similarity, embeddings)
    if score.length > 2 * LONGEST:
        raise ValueError(
            f"embeddings has a row of norm {score.length / 2:.3g} or more, whose distances overflow: scale it"
        )
    distinct, index = torch.unique(labels.to(embeddings.device), return_inverse=True)
    drawn = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(0)).to(index.device)
    ordered, order = drawn[index].sort(stable=True)
    rows = torch.empty(embeddings.shape, dtype=torch.float64, device=embeddings.device)
    for block in slices(len(rows), BLOCK):
        rows[block] = score.vectors(embeddings[order[block]])
    return Tiles(rows, ordered, order, distinct[drawn.argsort()], score, size)


def count(tiles: Tiles, which: list[Tile], tally: ScoreHistogram, progress: Progress = silent) -> None:
    """Count the pairs of some tiles by bin."""
    for tile in told("pairs", which, progress):
        tally.count(tiles.coded(tile)[1])


def keep(tiles: Tiles, which: list[Tile], tally: ScoreHistogram, wanted: Tensor, progress: Progress = silent) -> None:
    """Keep the scores of some tiles in the wanted bins (BINS,) by bits."""
    codes_wanted = of_codes(wanted)
    for tile in told("pairs that decide", which, progress):
        tally.keep(*tiles.coded(tile), codes_wanted)


def count_and_keep(
    tiles: Tiles, which: list[Tile], tally: ScoreHistogram, wanted: Tensor, progress: Progress = silent
) -> None:
    """Both, from one product."""
    codes_wanted = of_codes(wanted)
    for tile in told("pairs", which, progress):
        scores, codes = tiles.coded(tile)
        tally.count(codes)
        tally.keep(scores, codes, codes_wanted)


def told(stage: str, which: list[Tile], progress: Progress) -> Iterator[Tile]:
    """The tiles, one after another; `progress` hears of each when it is done."""
    for done, tile in enumerate(which, start=1):
        yield tile
        progress(stage, done, len(which))
