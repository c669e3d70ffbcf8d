"""The bins of scores that decide the figures."""

# bins are numbered in the order of the scores; -1 marks a point that is exact

import math

import torch
from torch import Tensor

from ._bins import BINS
from ._figures import POINT_FIGURES, least_costs
from ._points import OperatingPoints, equal_error_rate, place_at_far
from ._settings import VerificationSettings

WIDEST = 0.02
"""Share of the impostor pairs: a wider range of scores costs more to keep than a second product."""

MOST = 2**26
"""Scores: more would fill the memory, and the bins that decide are kept alone, in a second product."""


def deciding(points: OperatingPoints, bins: Tensor, settings: VerificationSettings) -> Tensor:
    """The bins (BINS,) bool in which a figure, or its threshold, is decided and which are not exact yet.

    TAR at FAR f is decided by the last point with FAR <= f and the next one; for the others see `POINT_FIGURES`.
    """
    decides = torch.zeros_like(bins, dtype=torch.bool)
    for rate in settings.far:
        place = place_at_far(points, rate)
        decides[place : place + 2] = True
    for figure in POINT_FIGURES.values():
        if figure.decisive is not None:
            decides |= figure.decisive(points, settings)
    return _table(bins[decides & (bins >= 0)])


def likely(points: OperatingPoints, bins: Tensor, settings: VerificationSettings) -> Tensor:
    """The bins (BINS,) bool that are likely to decide, seen from all genuine pairs but only some of the impostors."""
    least, bounds = least_costs(points, settings)
    cheap = (bounds <= 1.02 * least).nonzero()[:, 0]
    equal = equal_error_rate(points)
    rates = [(rate, rate) for rate in settings.far] + [(equal, equal)]
    rates.append((points.far[cheap[0]].item(), points.far[cheap[-1] + 1].item()))
    chosen = torch.zeros(BINS, dtype=torch.bool, device=bins.device)
    for low, high in rates:
        low, high = low - _slack(low, points), high + _slack(high, points)
        if high - max(low, 0) > WIDEST:
            continue
        strict, lax = max(place_at_far(points, low), 0), min(place_at_far(points, high) + 1, len(bins) - 1)
        top = int(bins[strict]) if strict > 0 else BINS - 1
        chosen[int(bins[lax]) : top + 1] = True
    return chosen


def too_many(points: OperatingPoints, bins: Tensor, chosen: Tensor, pairs: int) -> bool:
    """True where the chosen bins (BINS,) would keep more scores than memory should hold, out of `pairs` in all."""
    counts = points.impostors.diff()
    within = counts[(bins[1:] >= 0) & chosen[bins[1:].clamp(min=0)]].sum()
    return float(within / counts.sum()) * pairs > MOST


def _slack(rate: float, points: OperatingPoints) -> float:
    """A generous bound on the error of a rate that is counted on the impostors seen."""
    count = int(points.impostors[-1])
    return 0.05 * rate + 10 * math.sqrt(rate / count) + 10 / count


def _table(bins: Tensor) -> Tensor:
    table = torch.zeros(BINS, dtype=torch.bool, device=bins.device)
    table[bins] = True
    return table
