"""Operating points: what every threshold accepts."""

# M distinct scores; a pair is accepted when its score >= threshold

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OperatingPoints:
    """How many pairs are accepted at each distinct score, from none to all.

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


def between(accepted: float, rejected: float) -> float:
    """A threshold halfway between two neighbouring scores, so that rounding moves neither across.

    It is a float32 number where one lies above `rejected` and not above `accepted`: then float32 and float64 scores
    are decided alike.

    Args:
        accepted: the lowest score that is accepted.
        rejected: the highest that is not, below accepted.
    """
    if math.isinf(accepted) or math.isinf(rejected):
        return accepted
    middle = rejected + (accepted - rejected) / 2
    nearest = torch.tensor(middle, dtype=torch.float64).float()
    for short in (nearest.item(), nearest.nextafter(torch.tensor(math.inf)).item()):  # it may round down to `rejected`
        if rejected < short <= accepted:
            return short
    return max(middle, math.nextafter(rejected, math.inf))


def points_of(scores: Tensor, same: Tensor) -> OperatingPoints:
    """The points of scores (N,) with same (N,)."""
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


def _running(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
