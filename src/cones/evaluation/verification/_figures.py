"""The figures of verification, each from the operating points alone."""

# A place is an index into the points; where both kinds of pairs are there, FAR runs from 0 to 1 and FRR from 1 to 0.

from torch import Tensor

from ._points import OperatingPoints
from .settings import VerificationSettings


def place_at_far(points: OperatingPoints, far: float) -> int:
    """The last point whose FAR is at most far: the largest TAR that can be had."""
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
    """Of the two points beside the crossing the one with the smaller max(FAR, FRR); of equals the stricter."""
    after = place_of_crossing(points)
    worse = points.far[after - 1 : after + 1].maximum(points.frr[after - 1 : after + 1])
    return after - 1 if bool(worse[0] <= worse[1]) else after


def area(points: OperatingPoints) -> float:
    """AUC: P(genuine > impostor) + 1/2 P(genuine = impostor), the trapezoids under TAR over FAR."""
    tar = points.tar
    return float((points.far.diff() * (tar[1:] + tar[:-1])).sum() / 2)


def detection_costs(far: Tensor, frr: Tensor, asked: VerificationSettings) -> Tensor:
    """Detection costs, over that of the better of accepting nothing and accepting all.

    DCF = (C_miss p FRR + C_fa (1 - p) FAR) / min(C_miss p, C_fa (1 - p))
    """
    miss, false_alarm = asked.costs[0] * asked.p_target, asked.costs[1] * (1 - asked.p_target)
    return (miss * frr + false_alarm * far) / min(miss, false_alarm)
