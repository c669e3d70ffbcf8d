"""Abrupt changes of a function of an angle."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SUSPECTS = 8
STEP = 1e-6


class Break(NamedTuple):
    """A function goes from `before` to `after` at `angle`."""

    angle: float
    before: float
    after: float


def jumps(curve: Callable[[Tensor], Tensor], theta: Tensor) -> list[Break]:
    """Angles at which a curve (M,) over theta (M,), float64, is not continuous."""
    return _breaks(curve, theta, halvings=30, least=1e-5)


def kinks(curve: Callable[[Tensor], Tensor], theta: Tensor) -> list[Break]:
    """Angles at which the slope of a curve (M,) over theta (M,), float64, jumps while the curve does not."""

    def slope(theta: Tensor) -> Tensor:
        return (curve(theta + STEP) - curve(theta - STEP)) / (2 * STEP)

    inside = theta[(theta > 0.02) & (theta < math.pi - 0.02)]  # a cosine cannot tell angles nearer to 0 or pi apart
    breaks = _breaks(slope, inside, halvings=9, least=1e-3)
    places = [jump.angle for jump in jumps(curve, theta)] if breaks else []
    return [kink for kink in breaks if all(abs(kink.angle - place) > 1e-3 for place in places)]


def _breaks(curve: Callable[[Tensor], Tensor], theta: Tensor, *, halvings: int, least: float) -> list[Break]:
    """Bisect the intervals that change unlike their neighbours, and keep those whose change does not vanish.

    Args:
        curve: from angles (M,) to values (M,).
        theta: (M,) rising.
        halvings: how often.
        least: smallest change that counts, as a share of the range of the curve.
    """
    values = curve(theta)
    change = values.diff()
    # at an end the interval itself must not decide what is usual
    usual = torch.cat([change[1:2], change, change[-2:-1]]).unfold(0, 3, 1).median(dim=1).values
    odd = (change - usual).abs().nan_to_num(0).topk(min(SUSPECTS, len(change))).indices
    left, right, low, high = theta[odd], theta[odd + 1], values[odd], values[odd + 1]
    expected = usual[odd]
    for _ in range(halvings):
        middle = (left + right) / 2
        value = curve(middle)
        expected = expected / 2
        in_left = (value - low - expected).abs() >= (high - value - expected).abs()
        left, right = torch.where(in_left, left, middle), torch.where(in_left, middle, right)
        low, high = torch.where(in_left, low, value), torch.where(in_left, value, high)
    finite = values[values.isfinite()]
    size = float(finite.max() - finite.min()) if len(finite) else 0.0
    noise = 1e-9 * (1 + float(finite.abs().max())) if len(finite) else 0.0
    breaks = [
        Break(float(angle), float(before), float(after))
        for angle, before, after in zip(right, low, high, strict=True)
        if abs(after - before) > max(least * size, noise)
    ]
    return sorted(breaks, key=lambda one: -abs(one.after - one.before))
