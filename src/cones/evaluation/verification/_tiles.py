"""All pairs of labelled rows as tiles of the upper triangle of their product."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ._bins import GENUINE, NO_PAIR, by_bits
from ._similarity import Similarity
from ._tally import Tally, of_codes


class Tile(NamedTuple):
    """First row and first column, and whether genuine pairs may be in it."""

    row: int
    column: int
    mixed: bool


@dataclass(frozen=True)
class Tiles:
    """Rows (N, D) float32 sorted by class, so that pairs of one class lie along the diagonal.

    Attributes:
        rows: (N, D), unit for the cosine.
        classes: (N,) integers, rising.
        order: (N,) int64, the position of each row in the embeddings.
        labels: (C,) integers, the label of each class.
        squares: (N,) squared norms for the Euclidean distance; None for the cosine.
        size: rows and columns of a tile.
    """

    rows: Tensor
    classes: Tensor
    order: Tensor
    labels: Tensor
    squares: Tensor | None
    size: int

    def mixed_and_pure(self) -> tuple[list[Tile], list[Tile]]:
        """The tiles that may hold genuine pairs, and those that hold impostor pairs alone."""
        starts = range(0, len(self.rows), self.size)
        firsts = {start: int(self.classes[start]) for start in starts}
        lasts = {start: int(self.classes[min(start + self.size, len(self.rows)) - 1]) for start in starts}
        tiles = [Tile(i, j, i == j or firsts[j] <= lasts[i]) for i in starts for j in starts if i <= j]
        return [tile for tile in tiles if tile.mixed], [tile for tile in tiles if not tile.mixed]

    def scores(self, tile: Tile) -> Tensor:
        """The scores (size, size) of a tile, the same bits each time."""
        i, j = self.slices(tile)
        if self.squares is None:
            return self.rows[i] @ self.rows[j].T
        distance = self.squares[i, None] + self.squares[j]
        return torch.addmm(distance, self.rows[i], self.rows[j].T, beta=-1, alpha=2).clamp_(max=0)

    def coded(self, tile: Tile) -> tuple[Tensor, Tensor]:
        """The scores of a tile and their codes for a `Tally`, all flat; each pair has one code in all tiles."""
        scores = self.scores(tile).add_(0.0)  # -0.0 becomes 0.0
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


def tiles_of(rows: Tensor, labels: Tensor, similarity: Similarity, size: int) -> Tiles:
    """Rows in an order by class; the order of the classes is drawn, so that near tiles tell of far ones."""
    distinct, index = torch.unique(labels, return_inverse=True)
    drawn = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(0)).to(index.device)
    ordered, order = drawn[index].sort(stable=True)
    rows = rows[order]
    squares = rows.square().sum(dim=1) if similarity == "euclidean" else None
    return Tiles(rows, ordered, order, distinct[drawn.argsort()], squares, size)


def count(tiles: Tiles, which: list[Tile], tally: Tally) -> None:
    """Count the pairs of some tiles by bin."""
    for tile in which:
        tally.count(tiles.coded(tile)[1])


def keep(tiles: Tiles, which: list[Tile], tally: Tally, wanted: Tensor) -> None:
    """Keep the scores of some tiles in the wanted bins (BINS,) by bits."""
    codes_wanted = of_codes(wanted)
    for tile in which:
        tally.keep(*tiles.coded(tile), codes_wanted)


def count_and_keep(tiles: Tiles, which: list[Tile], tally: Tally, wanted: Tensor) -> None:
    """Both, from one product."""
    codes_wanted = of_codes(wanted)
    for tile in which:
        scores, codes = tiles.coded(tile)
        tally.count(codes)
        tally.keep(scores, codes, codes_wanted)
