"""Open-set identification: probes of the gallery's subjects found first while strangers raise no alarm."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .._bootstrap import Bootstrap, weighted_mean
from ..figure import Interval
from ..similarity import Score, between

NO_MATE = "no probe has a mate in the gallery"


@dataclass(frozen=True)
class OpenSet:
    """Detection and identification at one false alarm rate.

    Attributes:
        far: the requested rate, in 0..1.
        dir: share of the mated probes whose own subject is found first, with a score of at least `threshold`.
        threshold: midway between the lowest score that is accepted where no more than `far` of the probes without a
            mate raise an alarm, and the highest that is not; -inf where all may.
        reached: the share of these probes that raise an alarm.
        interval: of `dir`; None without resampling or with too few subjects.
        reason: why the other figures are None.
    """

    far: float
    dir: float | None = None
    threshold: float | None = None
    reached: float | None = None
    interval: Interval | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ProbeScores:
    """The best scores of each of P probes.

    Attributes:
        mated: (P,) bool, whether the probe's subject is in the gallery.
        own: (P,) score with the own subject; -inf without a mate.
        rank: (P,) of the own subject, right up to the last requested rank.
        rival: (P,) best score with another subject; -inf if there is none.
        subjects: (P,) labels.
    """

    mated: Tensor
    own: Tensor
    rank: Tensor
    rival: Tensor
    subjects: Tensor


def open_set_at(far: float, probes: ProbeScores, measure: Score, bootstrap: Bootstrap) -> OpenSet:
    """Detection and identification at a false alarm rate, or the reason why it cannot be measured."""
    mated = probes.mated
    strangers = int((~mated).sum())
    if strangers == len(mated):
        return OpenSet(far, reason=NO_MATE)
    if strangers == 0:
        return OpenSet(far, reason="every probe has a mate in the gallery: no false alarm can be counted")
    if _alarms(far, strangers) < 1:
        return OpenSet(far, reason=f"FAR {far:g} is below 1/{strangers}, one alarm of the probes without a mate")
    alarms, order = probes.rival[~mated].sort(descending=True)
    by_score = (~mated).nonzero()[order, 0]
    first = mated & (probes.rank == 1)

    def rate(times: Tensor) -> float:
        threshold = _threshold(far, alarms, times[by_score])
        return weighted_mean((first & (probes.own >= threshold))[mated], times[mated])

    once = torch.ones_like(probes.own)
    threshold = _threshold(far, alarms, once[by_score])
    return OpenSet(
        far,
        dir=rate(once),
        threshold=_reported(threshold, alarms, probes.own[first], measure),
        reached=int((alarms >= threshold).sum()) / strangers,
        interval=bootstrap.interval(rate, probes.subjects, strata=mated),
    )


def _alarms(far: float, strangers: float) -> int:
    """The number of false alarms allowed; 0.29 of 100 is 29 although 0.29 * 100 < 29 in floating point."""
    return math.floor(far * strangers * (1 + 1e-12))


def _threshold(far: float, alarms: Tensor, times: Tensor) -> float:
    """The smallest threshold that at most `far` of the alarms, largest first, reach; each counts `times` times."""
    reached = times.cumsum(0)
    allowed = int((reached <= _alarms(far, reached[-1].item())).sum())
    return math.nextafter(alarms[allowed].item(), math.inf) if allowed < len(alarms) else -math.inf


def _reported(threshold: float, alarms: Tensor, own: Tensor, measure: Score) -> float:
    """Midway between the scores below and at or above the threshold, in the unit of the scores."""
    scores = torch.cat([alarms, own])
    above, below = scores[scores >= threshold], scores[scores < threshold]
    if len(below) == 0:
        return -math.inf
    rejected = measure.unfold(below.max()).item()
    if len(above) == 0:
        return math.nextafter(rejected, math.inf)
    return between(measure.unfold(above.min()).item(), rejected)
