"""A margin's logits and losses as functions of one angle."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..engine.similarity import bends
from ..probing.at_angles import MarginProbe
from ._subject import Subject

OWN = (20.0, 60.0, 100.0)
OTHERS = (60.0, 90.0, 120.0)


class Curve(NamedTuple):
    """A quantity as a function of the angle to the own class, or to another.

    Attributes:
        what: "target", "others" or "loss".
        own: degrees to the own class, where the curve runs over the angle to another; None where over that to the own.
        function: values (M,) of cosines (M,).
    """

    what: str
    own: float | None
    function: Callable[[Tensor], Tensor]

    def at_cosine(self, cosine: Tensor) -> Tensor:
        """Values (M,) at cosines (M,)."""
        return self.function(cosine).detach()

    def at_angle(self, theta: Tensor) -> Tensor:
        """Values (M,) at angles (M,)."""
        return self.at_cosine(theta.cos())

    def __str__(self) -> str:
        if self.own is None:
            return {"target": "the target logit"}.get(self.what, f"the {self.what}")
        return f"the logit of another class (own class at {self.own:.0f} deg)"


def angles(subject: Subject) -> Tensor:
    """Angles (M,) from exactly 0 to exactly pi, whose cosines are exactly 1 and -1."""
    return torch.linspace(0, math.pi, 61 if subject.alone else 721, dtype=torch.float64)


def curves(probe: MarginProbe, dtype: torch.dtype = torch.float64) -> Iterator[Curve]:
    """Curves over one angle; `others` that only scale are left out."""
    yield Curve("target", None, probe.target)
    if bends(probe.margin):
        yield from others_curves(probe, dtype)
    others = torch.tensor([math.cos(math.radians(angle)) for angle in OTHERS], dtype=dtype)
    yield Curve("loss", None, lambda cosine: probe.losses(cosine, others.expand(len(cosine), -1)))


def others_curves(probe: MarginProbe, dtype: torch.dtype = torch.float64) -> Iterator[Curve]:
    """The logit of another class over its angle, at several angles of the own class."""
    for own in OWN:
        yield Curve("others", own, _others(probe, torch.tensor(math.cos(math.radians(own)), dtype=dtype)))


def where(probe: MarginProbe, subject: Subject) -> str:
    """The norms and the class in words, unless they are those of the first probe."""
    first = subject.probes()[0]
    if (probe.feature_norm, probe.label) == (first.feature_norm, first.label):
        return ""
    return f", where |x| = {probe.feature_norm:g}, |w| = {probe.weight_norm:g} and the class is {probe.label}"


def _others(probe: MarginProbe, own: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda other: probe.others(other[:, None], own.expand(len(other))).squeeze(1)
