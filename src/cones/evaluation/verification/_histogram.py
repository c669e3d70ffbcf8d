"""Histogram of scores in bounded memory: counts by bin, and every distinct score in the bins that matter."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ._bins import BINS, GENUINE, NO_PAIR, lowest, turned
from ._points import OperatingPoints, accumulate

PILE = 2**22
"""Scores kept before equal ones are merged."""

Kept = tuple[Tensor, Tensor]
"""Distinct float64 scores (M,), and the numbers of impostor and of genuine pairs at each (2, M)."""


class ScoreHistogram:
    """Numbers of impostor and of genuine pairs by score.

    `count` fills the table of all bins. `keep` keeps the distinct scores of some bins, which makes these exact. Both
    take int32 codes: the bin by bits, + `GENUINE` for a genuine pair, or `NO_PAIR`.

    Args:
        device: of the codes.
        group: processes that each count and keep some of the pairs; all of them then call `points` and `settle`, which
            return those of all pairs. None for one process.
    """

    def __init__(self, device: torch.device, group: Any = None) -> None:
        self._group = group
        self._counted = torch.zeros(NO_PAIR + 1, dtype=torch.int64, device=device)
        self._table = torch.zeros_like(self._counted)
        self._kept = torch.zeros(BINS, dtype=torch.bool, device=device)
        self._exact = _none(device)
        self._merged = _none(device)
        # in place: a small array that outlives each tile would fragment the memory that the next tile could use
        self._pile = torch.empty(PILE, dtype=torch.float64, device=device)
        self._pile_genuine = torch.empty(PILE, dtype=torch.bool, device=device)
        self._piled = 0

    def count(self, codes: Tensor) -> None:
        """Count pairs by their codes (M,)."""
        counts = torch.bincount(codes)
        self._counted[: len(counts)] += counts

    def keep(self, scores: Tensor, codes: Tensor, codes_kept: Tensor) -> None:
        """Keep the scores (M,) whose codes (M,) are among `codes_kept`, (2 BINS + 1,) bool."""
        chosen = codes_kept.index_select(0, codes)
        values, genuine = scores[chosen], codes[chosen] >= GENUINE
        for some, kind in zip(values.split(PILE), genuine.split(PILE), strict=True):
            if self._piled + len(some) > PILE:
                self._merge_pile()
            place = slice(self._piled, self._piled + len(some))
            self._pile[place], self._pile_genuine[place] = some, kind
            self._piled = place.stop

    def settle(self, bins: Tensor) -> None:
        """Mark bins, (BINS,) bool by bits, as exact: all their pairs have been kept."""
        self._merge_pile()
        self._exact = _merge([self._exact, *self._of_every_process(self._merged)])
        self._merged = _none(bins.device)
        self._kept |= bins
        counted, kept = int(self._shared_table()[:, self._kept].sum()), int(self._exact[1].sum())
        if counted != kept:
            raise RuntimeError(
                f"{counted} pairs were counted in the bins that decide and {kept} kept: the product of the same rows "
                "gave other bits the second time; ask for deterministic algorithms"
            )

    def points(self) -> tuple[OperatingPoints, Tensor]:
        """Operating points, and the bin of each (M + 1,), numbered in the order of the scores; -1 for an exact point.

        A bin that is not kept gives one point, at which all its pairs are accepted.
        """
        table, kept = turned(self._shared_table()), turned(self._kept)
        bins = (~kept & (table.sum(0) > 0)).nonzero()[:, 0]
        values, exact = self._exact
        threshold = torch.cat([lowest(bins), values])
        counts = torch.cat([table[:, bins], exact], dim=1)
        threshold, order = threshold.sort(descending=True)
        impostors, genuine = counts[:, order]
        bin_of = torch.cat([bins, bins.new_full((len(values),), -1)])[order]
        return accumulate(threshold, genuine, impostors), torch.cat([bins.new_full((1,), -1), bin_of])

    def _shared_table(self) -> Tensor:
        """The table (2, BINS) by bits of impostor and of genuine pairs, summed over the processes."""
        if self._group is not None:
            dist.all_reduce(self._counted, group=self._group)
        self._table += self._counted
        self._counted.zero_()
        return self._table[:NO_PAIR].view(2, BINS)

    def _merge_pile(self) -> None:
        values, place = torch.unique(self._pile[: self._piled], return_inverse=True)
        genuine = self._pile_genuine[: self._piled]
        counts = torch.stack([torch.bincount(place[kind], minlength=len(values)) for kind in (~genuine, genuine)])
        self._merged = _merge([self._merged, (values, counts)])
        self._piled = 0

    def _of_every_process(self, kept: Kept) -> list[Kept]:
        """The scores kept by each process."""
        if self._group is None:
            return [kept]
        everyone: list[Any] = [None] * dist.get_world_size(self._group)
        dist.all_gather_object(everyone, tuple(part.cpu() for part in kept), group=self._group)
        return [(values.to(kept[0].device), counts.to(kept[0].device)) for values, counts in everyone]


def _none(device: torch.device) -> Kept:
    return torch.zeros(0, dtype=torch.float64, device=device), torch.zeros(2, 0, dtype=torch.int64, device=device)


def _merge(parts: list[Kept]) -> Kept:
    """Distinct scores of all parts, rising, with the numbers of impostor and of genuine pairs at each."""
    values, place = torch.unique(torch.cat([values for values, _ in parts]), return_inverse=True)
    counts = torch.zeros(2, len(values), dtype=torch.int64, device=values.device)
    return values, counts.index_add_(1, place, torch.cat([counts for _, counts in parts], dim=1))


def by_code(bins: Tensor) -> Tensor:
    """A mask of bins, (BINS,) bool by bits, as a mask of codes, (2 BINS + 1,) bool."""
    return torch.cat([bins, bins, bins.new_zeros(1)])
