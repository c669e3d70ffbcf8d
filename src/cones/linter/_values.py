"""Values: logits and losses are finite and do not jump."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..probing.at_angles import MarginProbe
from ._breaks import Break, jumps, kinks
from ._curves import Curve, angles, curves, where
from ._report import Finding, Verdict, degrees, number, short
from ._subject import Subject


def finite(subject: Subject) -> Finding:
    """Logits and losses are numbers, cosines +1 and -1 and those past 1 by rounding included."""
    for dtype in (torch.float64, torch.float32):
        past = 1 + 2 * torch.finfo(dtype).eps
        cosine = torch.cat([angles(subject).cos().to(dtype), torch.tensor([past, -past], dtype=dtype)])
        for probe in subject.probes():
            for curve in curves(probe, dtype):
                values = curve.at_cosine(cosine)
                bad = (~values.isfinite()).nonzero()
                if len(bad):
                    at, value = float(cosine[bad[0, 0]]), float(values[bad[0, 0]])
                    words = f"{curve} is {value} at cosine {at:.9g} in {short(dtype)}{where(probe, subject)}"
                    return _at(curve, math.acos(max(-1.0, min(1.0, at))), "fails", words)
    return Finding("holds", "target, others and loss are finite from cosine +1 to -1 and past them by rounding")


def continuous(subject: Subject) -> Finding:
    """Nothing jumps over the angles."""
    for probe in subject.probes():
        breaks = _breaks(jumps, probe, subject)
        if breaks:
            words = "; ".join(f"{curve} jumps {_places(places)}" for curve, places in breaks)
            return _at(breaks[0][0], breaks[0][1][0].angle, "fails", words + where(probe, subject))
    return Finding("holds", "target, others and loss have no jump from 0 to 180 deg")


def smooth(subject: Subject) -> Finding:
    """The slopes do not jump; one that does is legal."""
    for probe in subject.probes():
        breaks = [(curve, places) for curve, places in _breaks(kinks, probe, subject) if curve.what != "loss"]
        if breaks:
            words = "; ".join(f"the slope of {curve} jumps {_places(places)}" for curve, places in breaks)
            return _at(breaks[0][0], breaks[0][1][0].angle, "warns", words + where(probe, subject))
    return Finding("holds", "the slopes of target and others are continuous")


def _breaks(
    look: Callable[[Callable[[Tensor], Tensor], Tensor], list[Break]], probe: MarginProbe, subject: Subject
) -> list[tuple[Curve, list[Break]]]:
    """The curves that break, and where: the first of each kind, the loss only if its logits do not."""
    breaks: dict[str, tuple[Curve, list[Break]]] = {}
    for curve in curves(probe):
        if curve.what in breaks or (curve.what == "loss" and breaks):
            continue
        places = look(curve.at_angle, angles(subject))
        if places:
            breaks[curve.what] = curve, places
    return list(breaks.values())


def _places(breaks: list[Break]) -> str:
    more = f" and at {len(breaks) - 1} more" if len(breaks) > 1 else ""
    return f"from {number(breaks[0].before)} to {number(breaks[0].after)} at {degrees(breaks[0].angle)}{more}"


def _at(curve: Curve, angle: float, verdict: Verdict, words: str) -> Finding:
    return Finding(verdict, words, *((angle, None) if curve.own is None else (math.radians(curve.own), angle)))
