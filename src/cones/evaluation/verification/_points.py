"""Operating points: the pairs that each threshold accepts, and the figures that follow from them alone."""

# M distinct scores; a pair is accepted when its score >= threshold. A place is an index into the points; with pairs of
# both kinds, FAR rises from 0 to 1 and FRR falls from 1 to 0.

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..similarity import between


@dataclass(frozen=True)
class OperatingPoints:
    """Numbers of pairs accepted at each distinct score, from none to all.

    Attributes:
        threshold: (M + 1,) float64, falling; inf, which accepts nothing, and then every distinct score.
        genuine: (M + 1,) int64, genuine pairs with score >= threshold.
        impostors: (M + 1,) int64, impostor pairs with score >= threshold.
    """

    threshold: Tensor
    genuine: Tensor
    impostors: Tensor

    @property
    def far(self) -> Tensor:
        """False accept rate (M + 1,): share of the impostor pairs accepted."""
        return self.impostors.double() / self.impostors[-1].double()

    @property
    def tar(self) -> Tensor:
        """True accept rate (M + 1,): share of the genuine pairs accepted."""
        return self.genuine.double() / self.genuine[-1].double()

    @property
    def frr(self) -> Tensor:
        """False reject rate (M + 1,), 1 - TAR, counted from the rejected."""
        return (self.genuine[-1] - self.genuine).double() / self.genuine[-1].double()

    def threshold_at(self, place: int) -> float:
        """The threshold to report for a point: midway to the next lower score, inf and -inf at the ends."""
        if place == 0:
            return math.inf
        if place == len(self.threshold) - 1:
            return -math.inf
        return between(self.threshold[place].item(), self.threshold[place + 1].item())


def points_of(scores: Tensor, same: Tensor) -> OperatingPoints:
    """The points of scores (N,) with same (N,) bool."""
    distinct, place = falling(scores)
    genuine = torch.bincount(place[same], minlength=len(distinct))
    impostors = torch.bincount(place[~same], minlength=len(distinct))
    return accumulate(distinct, genuine, impostors)


def falling(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct scores (M,) float64, highest first, and the place (N,) of each score among them."""
    distinct, place = torch.unique(scores.detach().double(), return_inverse=True)
    return distinct.flip(0), len(distinct) - 1 - place


def accumulate(threshold: Tensor, genuine: Tensor, impostors: Tensor) -> OperatingPoints:
    """Points from the numbers of pairs (M,) at each of the falling thresholds (M,)."""
    nothing = threshold.new_full((1,), torch.inf)
    return OperatingPoints(torch.cat([nothing, threshold]), _running(genuine), _running(impostors))


def place_at_far(points: OperatingPoints, far: float) -> int:
    """The last point whose FAR is at most far, which has the largest TAR."""
    return int((points.far <= far).sum()) - 1


def place_of_crossing(points: OperatingPoints) -> int:
    """The first point with FAR >= FRR, at least 1."""
    return int((points.far < points.frr).sum())


def equal_error_rate(points: OperatingPoints) -> float:
    """EER: where the straight lines between neighbouring points (FAR, FRR) cross FAR = FRR."""
    after = place_of_crossing(points)
    far, frr = points.far[after - 1 : after + 1].tolist(), points.frr[after - 1 : after + 1].tolist()
    before, beyond = far[0] - frr[0], far[1] - frr[1]
    return float(far[0] + (far[1] - far[0]) * -before / (beyond - before))


def place_of_equal_error(points: OperatingPoints) -> int:
    """The point beside the crossing with the smaller max(FAR, FRR); of equals the stricter."""
    after = place_of_crossing(points)
    worse = points.far[after - 1 : after + 1].maximum(points.frr[after - 1 : after + 1])
    return after - 1 if bool(worse[0] <= worse[1]) else after


def area(points: OperatingPoints) -> float:
    """AUC: P(genuine > impostor) + 1/2 P(genuine = impostor), the trapezoids under TAR over FAR."""
    tar = points.tar
    return float((points.far.diff() * (tar[1:] + tar[:-1])).sum() / 2)


def _running(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
