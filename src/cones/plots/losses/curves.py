"""Curves of the own class's logit under a margin: t(θ)/scale and its slope."""

# M angles, R repeats.

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...margins import Margin
from ...probing.at_angles import USUAL_NORM, MarginProbe
from ...probing.margins import own_logits
from .._palette import FAINT, INK, MUTED, TEN
from .._style import new_figure, panel_width, style
from .._text import short_objective, wrap

ANGLES = 721
MOST_OVERLAID = 3
DOTS = (0, (1, 1.6))


def target_curve(margin: Margin, *, feature_norm: float = USUAL_NORM, label: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The target logit of a margin over the angle to the own class, divided by what multiplies a similarity.

    t(θ) / scale, and also by the norm of a feature that the margin takes as it is, so that without a margin it is
    cos θ; ‖w‖ = 1, with running numbers as they start. A margin that draws at random is shown by its mean over draws.

    Args:
        margin: any `Margin`.
        feature_norm: ‖x‖ of every row.
        label: the own class.

    Returns:
        θ (M,) in radians inside 0..π, t(θ)/scale (M,), and its derivative by θ (M,), from autograd; float64.
    """
    theta = _theta().requires_grad_()
    curve = own_logits(MarginProbe(margin, feature_norm=feature_norm, label=label), torch.cos(theta))
    (slope,) = torch.autograd.grad(curve.sum(), theta)
    return theta.detach(), curve.detach(), slope


def curve_figure(margins: Sequence[Margin], *, columns: int = 4) -> Figure:
    """Draw t(θ)/scale and its slope for each of `margins`, with the plain cosine dotted beside it.

    Up to three margins share two panels; more get a panel each. Equal margins are drawn once.

    Args:
        margins: any `Margin` values, at least one.
        columns: panels in a line, at most.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no margins.

    Source:
        Liu et al. 2016 (L-Softmax), fig. 3; Deng et al. 2019 (ArcFace), fig. 4.
    """
    different = list({repr(margin): margin for margin in margins}.values())
    if not different:
        raise ValueError("margins is empty, expected at least one margin to draw")
    with style():
        if len(different) <= MOST_OVERLAID:
            return _overlaid(different, min(columns, 2))
        return _multiples(different, columns)


def _overlaid(margins: Sequence[Margin], columns: int) -> Figure:
    lines = 2 // columns
    figure = new_figure(4.1 * columns, 3.2 * lines)
    left, right = figure.subplots(lines, columns).flatten()
    draw_reference(left, right)
    for margin, color in zip(margins, (TEN[3], TEN[0], TEN[2]), strict=False):
        theta, curve, slope = target_curve(margin)
        degrees = torch.rad2deg(theta)
        left.plot(degrees, curve, color=color, label=short_objective(repr(margin)))
        right.plot(degrees, slope, color=color)
    left.set_title("target logit t(θ) / scale")
    right.set_title("its slope by θ, per radian")
    for axes in (left, right):
        angle_axis(axes)
        axes.set_xlabel("θ, angle to the own class")
    left.legend(fontsize=8, loc="lower left")
    return figure


def _multiples(margins: Sequence[Margin], columns: int) -> Figure:
    width = panel_width(columns)
    columns = min(columns, len(margins))
    lines = math.ceil(len(margins) / columns)
    figure = new_figure(width * columns, 0.95 * width * lines + 0.5)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True).flatten()
    for axes, margin in zip(panels, margins, strict=False):
        theta, curve, slope = target_curve(margin)
        degrees = torch.rad2deg(theta)
        draw_reference(axes, axes)
        axes.plot(degrees, slope, color=TEN[0], linewidth=1.1, label="slope by θ")
        axes.plot(degrees, curve, color=TEN[3], linewidth=1.9, label="t(θ) / scale")
        angle_axis(axes)
        axes.set_title(wrap(short_objective(repr(margin)), int(11 * width)), fontsize=8.5)
    for axes in panels[len(margins) :]:
        axes.set_axis_off()
    figure.supxlabel("θ, angle to the own class", fontsize=9, color=MUTED)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside upper center", ncols=4 if columns > 2 else 2, fontsize=8.5)
    return figure


def _theta() -> Tensor:
    # the ends are left out: there d cos θ / dθ = 0 hides a slope that is not 0, such as ArcFace's -sin(margin)
    return (torch.arange(ANGLES, dtype=torch.float64) + 0.5) * (math.pi / ANGLES)


def draw_reference(value: Axes, slope: Axes) -> None:
    theta = _theta()
    degrees = torch.rad2deg(theta)
    # dotted and on top, to be seen where nothing differs
    value.plot(degrees, theta.cos(), color=MUTED, linestyle=DOTS, linewidth=1.4, zorder=3, label="cos θ")
    name = "−sin θ" if slope is value else None
    slope.plot(degrees, -theta.sin(), color=MUTED, linestyle=DOTS, linewidth=0.9, zorder=3, label=name)


def angle_axis(axes: Axes) -> None:
    axes.set_xlim(0, 180)
    axes.set_xticks(range(0, 181, 45), [f"{angle}°" for angle in range(0, 181, 45)])
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0.5)
    axes.tick_params(colors=FAINT, labelcolor=INK, labelsize=8)
