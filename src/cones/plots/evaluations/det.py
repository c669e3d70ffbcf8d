"""The detection error trade-off: both errors of a verification on normal-deviate axes."""

# M operating points.

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from torch import Tensor

from ...evaluation import VerificationDetails
from ...evaluation.figure import percent
from .._legend import legend_below
from .._palette import MUTED
from .._style import new_figure, style
from .._text import literal
from ._curves import Curves, by_name, colors_of, draw_dot
from .verification import HEIGHT, WIDTH

TICKS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
NEAREST, LETTER = 0.08, 0.0167
"""Shares of the axis: the least distance of two ticks, and the width of a letter of their labels."""


def det_figure(details: Curves) -> Figure:
    """Draw the false reject rate over the false accept rate, both on the scale of normal deviates.

    Scores with normal distributions give straight lines there. Points where a rate is 0 or 1 have no place on such
    axes and are left out, as are those with FAR above one half. The dotted diagonal is FAR = FRR, and the dot on it the
    equal error rate of all operating points, `details.eer`; without errors it is in the corner.

    Args:
        details: one `VerificationDetails`, or several by name.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no details, or for details that lack genuine or impostor pairs.

    Reference: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.
    """
    named = by_name(details)
    rates = [one.eer for one in named.values()]
    curves = [_inside(one, far_end=max(0.5, eer)) for one, eer in zip(named.values(), rates, strict=True)]
    with style():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.subplots()
        far_ends = _ends([far for far, _ in curves], rates)
        frr_ends = _ends([frr for _, frr in curves], rates)
        _normal_deviates(axes, far_ends, frr_ends)
        axes.plot((1e-9, 1 - 1e-9), (1e-9, 1 - 1e-9), color=MUTED, linestyle=(0, (1, 1.6)), linewidth=1.2)
        for name, (far, frr), eer, color in zip(named, curves, rates, colors_of(named), strict=True):
            label = f"{literal(name)}: EER {percent(eer)}" if name else f"EER {percent(eer)}"
            axes.plot(far, frr, color=color)
            draw_dot(axes, max(eer, far_ends[0]), max(eer, frr_ends[0]), color, label)
        axes.set_xlabel("false accept rate FAR, %")
        axes.set_ylabel("false reject rate FRR, %")
        legend_below(figure)
    return figure


def _inside(details: VerificationDetails, far_end: float) -> tuple[Tensor, Tensor]:
    """FAR and FRR of the points that have a place on the axes."""
    far, frr = details.far, 1 - details.tar
    shown = (far > 0) & (far <= far_end) & (frr > 0) & (frr < 1)
    return far[shown], frr[shown]


def _ends(rates: list[Tensor], equal_errors: list[float]) -> tuple[float, float]:
    """Ends of an axis: the rates on it with some room, and at least from a tenth of a percent to a half."""
    shown = torch.cat([*rates, torch.tensor([eer for eer in equal_errors if eer > 0], dtype=torch.float64)])
    if len(shown) == 0:
        return 0.001, 0.5
    deviates = torch.special.ndtri(torch.stack([shown.min().clamp_max(0.01), shown.max().clamp_min(0.2)]))
    low, high = torch.special.ndtr(deviates + torch.tensor([-0.12, 0.12])).tolist()
    return low, high


def _normal_deviates(axes: Axes, far_ends: tuple[float, float], frr_ends: tuple[float, float]) -> None:
    axes.set_xscale("function", functions=(_deviate, _rate))
    axes.set_yscale("function", functions=(_deviate, _rate))
    axes.set_xlim(*far_ends)
    axes.set_ylim(*frr_ends)
    _percent_ticks(axes.xaxis, far_ends)
    _percent_ticks(axes.yaxis, frr_ends)


def _percent_ticks(axis: Axis, ends: tuple[float, float]) -> None:
    """Ticks from the high end, as many as have room."""
    low, high = _deviate(np.array(ends))
    places = (_deviate(np.array(TICKS)) - low) / (high - low)
    kept: list[tuple[float, str, float]] = []
    for rate, place in zip(reversed(TICKS), places[::-1].tolist(), strict=True):
        label = f"{100 * rate:.10f}".rstrip("0").rstrip(".")
        if 0 <= place <= 1 and (not kept or kept[-1][2] - place >= _room(kept[-1][1], label)):
            kept.append((rate, label, place))
    axis.set_ticks([rate for rate, _, _ in kept], [label for _, label, _ in kept])


def _room(label: str, other: str) -> float:
    """The least distance of two ticks whose labels do not touch, as a share of the axis."""
    return max(NEAREST, LETTER * (len(label) + len(other)) / 2 + 0.02)


def _deviate(rate: np.ndarray) -> np.ndarray:
    """The normal deviate of a rate, ±inf at 1 and 0."""
    return np.asarray(torch.special.ndtri(torch.from_numpy(np.asarray(rate, dtype=np.float64))).numpy())


def _rate(deviate: np.ndarray) -> np.ndarray:
    return np.asarray(torch.special.ndtr(torch.from_numpy(np.asarray(deviate, dtype=np.float64))).numpy())
