"""Order: logits fall with the angle, and a margin never raises the target logit."""

import math

import torch
from torch import Tensor

from ._curves import angles, others_curves, where
from ._report import Finding, Verdict, degrees, number
from ._subject import Subject


def target_falls(subject: Subject) -> Finding:
    """The target logit falls with the angle to the own class."""
    theta = angles(subject)
    for probe in subject.probes():
        rise = _rise(probe.target(theta.cos()).detach(), theta)
        if rise:
            start, stop, size = rise
            words = f"the target logit rises by {number(size)} from {degrees(start)} to {degrees(stop)}"
            words = f"{words}{where(probe, subject)}: there a row reduces its loss by turning away"
            return Finding(_verdict(subject), words, start)
    return Finding("holds", "the target logit never rises with the angle to the own class")


def others_rise(subject: Subject) -> Finding:
    """The logit of another class does not fall as it gets nearer."""
    theta = angles(subject)
    for probe in subject.probes():
        for curve in others_curves(probe):
            fall = _rise(curve.at_angle(theta), theta)
            if fall:
                start, stop, size = fall
                words = f"{curve} falls by {number(size)} as it comes from {degrees(stop)} to {degrees(start)}"
                own = math.radians(curve.own or 0.0)
                return Finding(_verdict(subject), words + where(probe, subject), own, start)
    return Finding("holds", "the logit of another class never falls as it gets closer")


def below_neutral(subject: Subject) -> Finding:
    """The target logit is nowhere above the logit without margin."""
    theta = angles(subject)
    for probe in subject.probes():
        excess = (probe.target(theta.cos()).detach() - probe.neutral * theta.cos()).nan_to_num(-torch.inf)
        worst = excess.argmax()
        if excess[worst] > 1e-6 * abs(probe.neutral):
            place, size = float(theta[worst]), number(float(excess[worst]))
            words = f"the target logit is {size} above scale * similarity at {degrees(place)}"
            return Finding("fails", f"{words}{where(probe, subject)}: there the margin makes the task easier", place)
    return Finding("holds", "the target logit is nowhere above scale * similarity")


def _rise(values: Tensor, theta: Tensor) -> tuple[float, float, float] | None:
    """The first angles (from, to) over which values (M,) rise, and by how much; None if they nowhere do."""
    rising = (values.diff().nan_to_num(0) > 1e-9 * values.nan_to_num(0).abs().max()).tolist()
    if True not in rising:
        return None
    start = rising.index(True)
    stop = rising.index(False, start) if False in rising[start:] else len(rising)
    return float(theta[start]), float(theta[stop]), float(values[stop] - values[start])


def _verdict(subject: Subject) -> Verdict:
    """Only a warning if the gradient is declared not to be the value's: no step follows the value then."""
    return "warns" if subject.detached else "fails"
