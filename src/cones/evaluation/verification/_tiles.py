"""All pairs of labelled rows as tiles of the upper triangle of their product."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ._bins import GENUINE, NO_PAIR, by_bits
from ._similarity import Similarity
from ._tally import Tally

Tile = tuple[int, int]
"""First row and first column."""


@dataclass(frozen=True)
class Tiles:
    """Rows (N, D) float32 sorted by class, so that pairs of one class lie along the diagonal.

    Attributes:
        rows: (N, D), unit for the cosine.
        classes: (N,) integers, rising.
        squares: (N,) squared norms for the Euclidean distance; None for the cosine.
        size: rows and columns of a tile.
    """

    rows: Tensor
    classes: Tensor
    squares: Tensor | None
    size: int

    def mixed_and_pure(self) -> tuple[list[Tile], list[Tile]]:
        """The tiles that may hold genuine pairs, and those that hold impostor pairs alone."""
        starts = range(0, len(self.rows), self.size)
        firsts = {start: int(self.classes[start]) for start in starts}
        lasts = {start: int(self.classes[min(start + self.size, len(self.rows)) - 1]) for start in starts}
        tiles = [(i, j) for i in starts for j in starts if i <= j]
        mixed = [(i, j) for i, j in tiles if i == j or firsts[j] <= lasts[i]]
        return mixed, [(i, j) for i, j in tiles if i != j and firsts[j] > lasts[i]]

    def scores(self, tile: Tile) -> Tensor:
        """The scores (size, size) of a tile, the same bits each time."""
        i, j = (slice(start, start + self.size) for start in tile)
        if self.squares is None:
            return self.rows[i] @ self.rows[j].T
        distance = self.squares[i, None] + self.squares[j]
        return torch.addmm(distance, self.rows[i], self.rows[j].T, beta=-1, alpha=2).clamp_(max=0)

    def coded(self, tile: Tile, is_mixed: bool) -> tuple[Tensor, Tensor]:
        """The scores of a tile and their codes for a `Tally`, all flat; each pair has one code in all tiles."""
        scores = self.scores(tile).add_(0.0)  # -0.0 becomes 0.0
        codes = by_bits(scores)
        if is_mixed:
            i, j = (slice(start, start + self.size) for start in tile)
            codes += (self.classes[i, None] == self.classes[j]).int().mul_(GENUINE)
        if tile[0] == tile[1]:
            codes.masked_fill_(torch.ones_like(codes, dtype=torch.bool).tril_(), NO_PAIR)
        return scores.flatten(), codes.flatten()


def tiles_of(rows: Tensor, labels: Tensor, similarity: Similarity, size: int) -> Tiles:
    """Rows in an order by class; the order of the classes is drawn, so that near tiles tell of far ones."""
    _, index = torch.unique(labels, return_inverse=True)
    classes = int(index.max()) + 1
    drawn = torch.randperm(classes, generator=torch.Generator().manual_seed(0)).to(index.device)
    ordered, order = drawn[index].sort(stable=True)
    rows = rows[order]
    return Tiles(rows, ordered, rows.square().sum(dim=1) if similarity == "euclidean" else None, size)


def sweep(tiles: Tiles, which: list[Tile], is_mixed: bool, tally: Tally, count: bool, wanted: Tensor | None) -> None:
    """Go through some tiles; count their pairs by bin, keep the scores of the wanted bins (BINS,) by bits, or both."""
    chosen = None if wanted is None else torch.cat([wanted, wanted, wanted.new_zeros(1)])
    for tile in which:
        scores, codes = tiles.coded(tile, is_mixed)
        if count:
            tally.count(codes)
        if chosen is not None:
            tally.keep(scores, codes, chosen)
