"""All pairs of labelled rows as tiles of the upper triangle of their product."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..progress import Progress, silent
from ..similarity import Score, Similarity, score_named, slices
from ._bins import GENUINE, NO_PAIR, by_bits
from ._histogram import ScoreHistogram, by_code

BLOCK = 2**14
LONGEST = 2.0**62
"""Norm of a row up to which distances are well within float32, which sorts the scores into bins."""


class Tile(NamedTuple):
    """First row and first column of a tile, and whether it may hold genuine pairs."""

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
        score: cosine or distance, the same to the last bit for every tile size.
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
        """Rows and columns of a tile."""
        return slice(tile.row, tile.row + self.size), slice(tile.column, tile.column + self.size)


def tiles_of(embeddings: Tensor, labels: Tensor, similarity: Similarity, size: int) -> Tiles:
    """Sort the rows by class; the order of the classes is drawn, so that tiles near the diagonal represent the others.

    Raises:
        ValueError: rows too long for distances, or another similarity.
    """
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


def count(tiles: Tiles, chosen: list[Tile], histogram: ScoreHistogram, progress: Progress = silent) -> None:
    """Count the pairs of the chosen tiles by bin."""
    for tile in reported("pairs", chosen, progress):
        histogram.count(tiles.coded(tile)[1])


def keep(
    tiles: Tiles, chosen: list[Tile], histogram: ScoreHistogram, bins: Tensor, progress: Progress = silent
) -> None:
    """Keep the scores of the chosen tiles in some bins, (BINS,) bool by bits."""
    codes_kept = by_code(bins)
    for tile in reported("pairs that decide", chosen, progress):
        histogram.keep(*tiles.coded(tile), codes_kept)


def count_and_keep(
    tiles: Tiles, chosen: list[Tile], histogram: ScoreHistogram, bins: Tensor, progress: Progress = silent
) -> None:
    """`count` and `keep` from one product."""
    codes_kept = by_code(bins)
    for tile in reported("pairs", chosen, progress):
        scores, codes = tiles.coded(tile)
        histogram.count(codes)
        histogram.keep(scores, codes, codes_kept)


def reported(stage: str, chosen: list[Tile], progress: Progress) -> Iterator[Tile]:
    """The tiles, one after another; `progress` reports each when it is done."""
    for done, tile in enumerate(chosen, start=1):
        yield tile
        progress(stage, done, len(chosen))
