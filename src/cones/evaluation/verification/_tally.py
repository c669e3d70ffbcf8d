"""Counts of pairs by score in bounded memory: a table of bins, and every distinct score in the bins that matter."""

import torch
from torch import Tensor

from ._bins import BINS, lowest, turned
from ._points import Points, accumulate

PILE = 2**24
"""Scores kept before equal ones are put together."""


class Tally:
    """Numbers of impostor (kind 0) and genuine (kind 1) pairs.

    `count` fills the table of all bins. `keep` keeps the scores of the bins asked for, so that these become exact;
    the distinct scores of a bin are at most 2^14.
    """

    def __init__(self, device: torch.device) -> None:
        self.table = torch.zeros(2, BINS, dtype=torch.int64, device=device)
        self._kept = torch.zeros(BINS, dtype=torch.bool, device=device)
        self._values = torch.zeros(0, device=device)
        self._counts = torch.zeros(2, 0, dtype=torch.int64, device=device)
        self._pile: list[tuple[int, Tensor]] = []
        self._piled = 0

    def count(self, kind: int, bins: Tensor) -> None:
        """Count pairs by their bins (M,), by bits."""
        self.table[kind] += torch.bincount(bins, minlength=BINS)

    def keep(self, kind: int, scores: Tensor, bins: Tensor, wanted: Tensor) -> None:
        """Keep those of scores (M,) whose bins (M,) are wanted (BINS,), both by bits."""
        values = scores[wanted.index_select(0, bins)]
        self._pile.append((kind, values))
        self._piled += len(values)
        if self._piled > PILE:
            self._put_together()

    def settle(self, wanted: Tensor) -> None:
        """All pairs in the wanted bins (BINS,), by bits, have been kept: these bins are exact."""
        self._put_together()
        self._kept |= wanted

    def points(self) -> tuple[Points, Tensor]:
        """Operating points, and for each (M + 1,) the bin it stands for, in the order of numbers; -1: it is exact.

        A bin that is not kept gives one point, at which all of it is accepted.
        """
        table, kept = turned(self.table), turned(self._kept)
        bins = (~kept & (table.sum(0) > 0)).nonzero()[:, 0]
        threshold = torch.cat([lowest(bins), self._values.double()])
        counts = torch.cat([table[:, bins], self._counts], dim=1)
        threshold, order = threshold.sort(descending=True)
        impostors, genuine = counts[:, order]
        stands_for = torch.cat([bins, bins.new_full((len(self._values),), -1)])[order]
        return accumulate(threshold, genuine, impostors), torch.cat([bins.new_full((1,), -1), stands_for])

    def _put_together(self) -> None:
        values = torch.cat([self._values, *(values for _, values in self._pile)])
        counts = values.new_zeros(2, len(values), dtype=torch.int64)
        start = self._counts.shape[1]
        counts[:, :start] = self._counts
        for kind, piled in self._pile:
            counts[kind, start : start + len(piled)] = 1
            start += len(piled)
        self._values, place = torch.unique(values, return_inverse=True)
        self._counts = counts.new_zeros(2, len(self._values)).index_add_(1, place, counts)
        self._pile.clear()
        self._piled = 0
