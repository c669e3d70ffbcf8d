"""Slopes: gradients have the right sign, and stay sound at cosine +1 and -1."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..probing.at_angles import MarginProbe
from ._curves import where
from ._report import Finding, Verdict, degrees, number, short
from ._subject import Subject, gradients

OTHER = 60.0
TARGET = "the target logit"


def sign(subject: Subject) -> Finding:
    """The loss falls as the own cosine grows, and does not fall as another grows."""
    theta = torch.linspace(0.03, math.pi - 0.03, 13 if subject.alone else 61, dtype=torch.float64)
    own_angle, other_angle = (angle.flatten() for angle in torch.meshgrid(theta, theta, indexing="ij"))
    for probe in subject.probes():
        own, other = (angle.cos().requires_grad_() for angle in (own_angle, other_angle))
        slopes = gradients(probe.losses(own, other[:, None]).sum(), [own, other])
        by_own, by_other = (slope.nan_to_num(0.0) for slope in slopes)
        for words, wrong, of_other in (
            ("the loss rises with the cosine to the own class", by_own, False),
            ("the loss falls as the cosine to another class grows", -by_other, True),
        ):
            worst = int(wrong.argmax())
            if wrong[worst] > 1e-9 * wrong.abs().max():
                mine, theirs = float(own_angle[worst]), float(other_angle[worst])
                place = f"with the own class at {degrees(mine)} and the other at {degrees(theirs)}"
                words = f"{words} (slope {number(float(wrong[worst]))}) {place}{where(probe, subject)}"
                return Finding("fails", words, mine, theirs if of_other else None)
    return Finding("holds", "the loss pulls every row to its own class and pushes no row to another")


def poles(subject: Subject) -> Finding:
    """At cosine +1 and -1 the slopes are finite and close to those next to them."""
    for dtype in (torch.float64, torch.float32):
        for probe in subject.probes():
            for what, function in _at_poles(probe, dtype):
                for pole in (1.0, -1.0):
                    fault = _at_pole(function, torch.tensor(pole, dtype=dtype), 1e-6 * abs(probe.neutral))
                    if fault:
                        verdict, words = fault
                        words = f"the slope of {what} at cosine {pole:+.0f} in {short(dtype)} is {words}"
                        other = None if what == TARGET else math.acos(pole)
                        own = math.acos(pole) if what == TARGET else math.radians(OTHER)
                        return Finding(verdict, words + where(probe, subject), own, other)
    return Finding("holds", "at cosine +1 and -1 the slopes are finite and similar to those nearby")


def _at_pole(function: Callable[[Tensor], Tensor], pole: Tensor, least: float) -> tuple[Verdict, str] | None:
    """The fault in the slope at a pole, beside that at the next number and a little away; None if there is none."""
    beside, away = pole.nextafter(torch.zeros_like(pole)), pole * math.cos(0.005)
    here, next_to, near = (_slope(function, cosine) for cosine in (pole, beside, away))
    if not math.isfinite(here):
        return "fails", str(here)
    if abs(here - next_to) > 0.5 * abs(next_to) + least:
        return "fails", f"{number(here)}, but {number(next_to)} one step beside"
    if here == 0 and abs(near) > least:
        return "warns", f"0, but {number(near)} a third of a degree beside: is the cosine clamped?"
    return None


def _at_poles(probe: MarginProbe, dtype: torch.dtype) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    own = torch.tensor([math.cos(math.radians(OTHER))], dtype=dtype)
    yield TARGET, probe.target
    yield "the logit of another class", lambda cosine: probe.others(cosine[:, None], own).squeeze(1)


def _slope(function: Callable[[Tensor], Tensor], cosine: Tensor) -> float:
    leaf = cosine[None].clone().requires_grad_()
    (slope,) = gradients(function(leaf).sum(), [leaf])
    return float(slope)
