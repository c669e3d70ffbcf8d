"""Counts of pairs by score in bounded memory: a table of bins, and every distinct score in the bins that matter."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ._bins import BINS, GENUINE, NO_PAIR, lowest, turned
from ._points import OperatingPoints, accumulate

PILE = 2**22
"""Scores kept before equal ones are put together."""

Kept = tuple[Tensor, Tensor]
"""Distinct float64 scores (M,), and how many impostor and genuine pairs have each (2, M)."""


class ScoreHistogram:
    """Numbers of impostor and genuine pairs.

    `count` fills the table of all bins. `keep` keeps the distinct scores of the bins asked for, so that these become
    exact. Both take int32 codes: the bin by bits, + `GENUINE` for a genuine
    pair, or `NO_PAIR`.

    Args:
        device: of the codes.
        group: processes that each count and keep some of the pairs; all of them then call `points` and `settle`, which
            tell of the pairs of all. None for one process.
    """

    def __init__(self, device: torch.device, group: Any = None) -> None:
        self._group = group
        self._counted = torch.zeros(NO_PAIR + 1, dtype=torch.int64, device=device)
        self._table = torch.zeros_like(self._counted)
        self._kept = torch.zeros(BINS, dtype=torch.bool, device=device)
        self._exact = _none(device)
        self._found = _none(device)
        # in place, for a small array that outlives each tile would cut the memory that the next tile could take
        self._pile = torch.empty(PILE, dtype=torch.float64, device=device)
        self._pile_genuine = torch.empty(PILE, dtype=torch.bool, device=device)
        self._piled = 0

    def count(self, codes: Tensor) -> None:
        """Count pairs by their codes (M,)."""
        found = torch.bincount(codes)
        self._counted[: len(found)] += found

    def keep(self, scores: Tensor, codes: Tensor, wanted: Tensor) -> None:
        """Keep those of scores (M,) whose codes (M,) are wanted (2 BINS + 1,)."""
        chosen = wanted.index_select(0, codes)
        values, genuine = scores[chosen], codes[chosen] >= GENUINE
        for some, kind in zip(values.split(PILE), genuine.split(PILE), strict=True):
            if self._piled + len(some) > PILE:
                self._put_together()
            place = slice(self._piled, self._piled + len(some))
            self._pile[place], self._pile_genuine[place] = some, kind
            self._piled = place.stop

    def settle(self, wanted: Tensor) -> None:
        """All pairs in the wanted bins (BINS,), by bits, have been kept: these bins are exact."""
        self._put_together()
        self._exact = _merged([self._exact, *self._of_every_process(self._found)])
        self._found = _none(wanted.device)
        self._kept |= wanted
        counted, kept = int(self._shared_table()[:, self._kept].sum()), int(self._exact[1].sum())
        if counted != kept:
            raise RuntimeError(
                f"{counted} pairs were counted in the bins that decide and {kept} kept: the product of the same rows "
                "gave other bits the second time; ask for deterministic algorithms"
            )

    def points(self) -> tuple[OperatingPoints, Tensor]:
        """Operating points, and for each (M + 1,) the bin it stands for, in the order of numbers; -1: it is exact.

        A bin that is not kept gives one point, at which all of it is accepted.
        """
        table, kept = turned(self._shared_table()), turned(self._kept)
        bins = (~kept & (table.sum(0) > 0)).nonzero()[:, 0]
        values, exact = self._exact
        threshold = torch.cat([lowest(bins), values])
        counts = torch.cat([table[:, bins], exact], dim=1)
        threshold, order = threshold.sort(descending=True)
        impostors, genuine = counts[:, order]
        stands_for = torch.cat([bins, bins.new_full((len(values),), -1)])[order]
        return accumulate(threshold, genuine, impostors), torch.cat([bins.new_full((1,), -1), stands_for])

    def _shared_table(self) -> Tensor:
        """The table (2, BINS) by bits, of impostors and of genuine pairs; what each process has counted is added up."""
        if self._group is not None:
            dist.all_reduce(self._counted, group=self._group)
        self._table += self._counted
        self._counted.zero_()
        return self._table[:NO_PAIR].view(2, BINS)

    def _put_together(self) -> None:
        values, place = torch.unique(self._pile[: self._piled], return_inverse=True)
        genuine = self._pile_genuine[: self._piled]
        counts = torch.stack([torch.bincount(place[kind], minlength=len(values)) for kind in (~genuine, genuine)])
        self._found = _merged([self._found, (values, counts)])
        self._piled = 0

    def _of_every_process(self, found: Kept) -> list[Kept]:
        """What each process found."""
        if self._group is None:
            return [found]
        everyone: list[Any] = [None] * dist.get_world_size(self._group)
        dist.all_gather_object(everyone, tuple(part.cpu() for part in found), group=self._group)
        return [(values.to(found[0].device), counts.to(found[0].device)) for values, counts in everyone]


def _none(device: torch.device) -> Kept:
    return torch.zeros(0, dtype=torch.float64, device=device), torch.zeros(2, 0, dtype=torch.int64, device=device)


def _merged(parts: list[Kept]) -> Kept:
    """Distinct scores of all parts, rising, and how many impostor and genuine pairs have each."""
    values, place = torch.unique(torch.cat([values for values, _ in parts]), return_inverse=True)
    counts = torch.zeros(2, len(values), dtype=torch.int64, device=values.device)
    return values, counts.index_add_(1, place, torch.cat([counts for _, counts in parts], dim=1))


def of_codes(wanted: Tensor) -> Tensor:
    """From which bins (BINS,) are wanted to which codes (2 BINS + 1,) are."""
    return torch.cat([wanted, wanted, wanted.new_zeros(1)])
