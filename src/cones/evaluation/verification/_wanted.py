"""Which bins of scores decide the figures."""

# bins are numbered in the order of the numbers; -1 stands for a point that is exact

import math

import torch
from torch import Tensor

from ._bins import BINS
from ._figures import detection_costs, equal_error_rate, place_at_far, place_of_crossing
from ._points import OperatingPoints
from .settings import VerificationSettings

WIDEST = 0.02
"""Share of the impostor pairs: a wider range of scores costs more to keep than a second product."""

MOST = 2**26
"""Scores: more would fill the memory, and the bins that decide are kept alone, in a second product."""


def deciding(points: OperatingPoints, bins: Tensor, asked: VerificationSettings) -> Tensor:
    """The bins (BINS,) bool in which a figure, or its threshold, is decided and which are not exact yet.

    TAR at FAR f: the last point with FAR <= f and the next. EER: the points on both sides of the crossing and the next,
    for a threshold lies midway between two scores. minDCF: every bin where it could be
    less than the least that is known, were all its impostors below all its genuine.
    """
    decides = torch.zeros_like(bins, dtype=torch.bool)
    for rate in asked.far:
        place = place_at_far(points, rate)
        decides[place : place + 2] = True
    crossing = place_of_crossing(points)
    decides[crossing - 1 : crossing + 2] = True
    decides[1:] |= _least_costs(points, asked) <= _least_cost(points, asked)
    return _table(bins[decides & (bins >= 0)])


def likely(points: OperatingPoints, bins: Tensor, asked: VerificationSettings) -> Tensor:
    """The bins (BINS,) bool that are likely to decide, seen from all genuine pairs but only some of the impostors."""
    cheap = (_least_costs(points, asked) <= 1.02 * _least_cost(points, asked)).nonzero()[:, 0]
    equal = equal_error_rate(points)
    rates = [(rate, rate) for rate in asked.far] + [(equal, equal)]
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
    """Whether the chosen bins (BINS,) would keep more scores than memory should hold, of so many pairs in all."""
    counts = points.impostors.diff()
    within = counts[(bins[1:] >= 0) & chosen[bins[1:].clamp(min=0)]].sum()
    return float(within / counts.sum()) * pairs > MOST


def _least_cost(points: OperatingPoints, asked: VerificationSettings) -> Tensor:
    return detection_costs(points.far, points.frr, asked).min()


def _least_costs(points: OperatingPoints, asked: VerificationSettings) -> Tensor:
    """No threshold between a point and the next can cost less than this (M,)."""
    return detection_costs(points.far[:-1], points.frr[1:], asked)


def _slack(rate: float, points: OperatingPoints) -> float:
    """By how much a rate may be off when counted on so many impostors; generous."""
    count = int(points.impostors[-1])
    return 0.05 * rate + 10 * math.sqrt(rate / count) + 10 / count


def _table(bins: Tensor) -> Tensor:
    table = torch.zeros(BINS, dtype=torch.bool, device=bins.device)
    table[bins] = True
    return table
