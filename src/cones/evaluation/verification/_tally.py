"""Counts of pairs by score in bounded memory: a table of bins, and every distinct score in the bins that matter."""

import torch
from torch import Tensor

from ._bins import BINS, GENUINE, NO_PAIR, lowest, turned
from ._points import Points, accumulate

PILE = 2**22
"""Scores kept before equal ones are put together."""


class Tally:
    """Numbers of impostor and genuine pairs.

    `count` fills the table of all bins. `keep` keeps the scores of the bins asked for, so that these become exact;
    the distinct scores of a bin are at most 2^14. Both take int32 codes: the bin by bits, + `GENUINE` for a genuine
    pair, or `NO_PAIR`.
    """

    def __init__(self, device: torch.device) -> None:
        self._table = torch.zeros(NO_PAIR + 1, dtype=torch.int64, device=device)
        self._kept = torch.zeros(BINS, dtype=torch.bool, device=device)
        self._values = torch.zeros(0, dtype=torch.float32, device=device)
        self._counts = torch.zeros(2, 0, dtype=torch.int64, device=device)
        self._pile: list[tuple[Tensor, Tensor]] = []
        self._piled = 0

    def count(self, codes: Tensor) -> None:
        """Count pairs by their codes (M,)."""
        found = torch.bincount(codes)
        self._table[: len(found)] += found

    def keep(self, scores: Tensor, codes: Tensor, wanted: Tensor) -> None:
        """Keep those of scores (M,) whose codes (M,) are wanted (2 BINS + 1,)."""
        chosen = wanted.index_select(0, codes)
        values, genuine = scores[chosen], codes[chosen] >= GENUINE
        self._pile.append((values, genuine))
        self._piled += len(values)
        if self._piled > PILE:
            self._put_together()

    def settle(self, wanted: Tensor) -> None:
        """All pairs in the wanted bins (BINS,), by bits, have been kept: these bins are exact."""
        if self._pile:
            self._put_together()
        self._kept |= wanted
        counted, kept = int(self._of_kinds()[:, self._kept].sum()), int(self._counts.sum())
        if counted != kept:
            raise RuntimeError(
                f"{counted} pairs were counted in the bins that decide and {kept} kept: the product of the same rows "
                "gave other bits the second time; ask for deterministic algorithms"
            )

    def points(self) -> tuple[Points, Tensor]:
        """Operating points, and for each (M + 1,) the bin it stands for, in the order of numbers; -1: it is exact.

        A bin that is not kept gives one point, at which all of it is accepted.
        """
        table, kept = turned(self._of_kinds()), turned(self._kept)
        bins = (~kept & (table.sum(0) > 0)).nonzero()[:, 0]
        threshold = torch.cat([lowest(bins), self._values.double()])
        counts = torch.cat([table[:, bins], self._counts], dim=1)
        threshold, order = threshold.sort(descending=True)
        impostors, genuine = counts[:, order]
        stands_for = torch.cat([bins, bins.new_full((len(self._values),), -1)])[order]
        return accumulate(threshold, genuine, impostors), torch.cat([bins.new_full((1,), -1), stands_for])

    def _of_kinds(self) -> Tensor:
        """The table (2, BINS) by bits, of impostors and of genuine pairs."""
        return self._table[:NO_PAIR].view(2, BINS)

    def _put_together(self) -> None:
        genuine = torch.cat([kind for _, kind in self._pile])
        old = self._counts.shape[1]
        values = torch.cat([self._values, *(values for values, _ in self._pile)])
        self._values, place = torch.unique(values, return_inverse=True)
        counts = torch.zeros(2, len(self._values), dtype=torch.int64, device=values.device)
        counts.index_add_(1, place[:old], self._counts)
        counts[0] += torch.bincount(place[old:][~genuine], minlength=len(self._values))
        counts[1] += torch.bincount(place[old:][genuine], minlength=len(self._values))
        self._counts = counts
        self._pile.clear()
        self._piled = 0


def of_codes(wanted: Tensor) -> Tensor:
    """From which bins (BINS,) are wanted to which codes (2 BINS + 1,) are."""
    return torch.cat([wanted, wanted, wanted.new_zeros(1)])
