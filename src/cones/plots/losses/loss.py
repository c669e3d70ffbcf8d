"""The picture of one loss, for its page."""

# M places, R cosines of a region's grid.

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from torch import Tensor

from ...feature_losses.arguments import GIVEN
from ...margins import Margin
from ...probing.at_angles import NUM_CLASSES, USUAL_NORM, MarginProbe
from ...probing.feature_losses import LossCurve, loss_curve
from ...probing.margins import OWN_ANGLES, bends_others, lead, other_logits, probes
from .._palette import FAINT, INK, MUTED, TEN
from .._style import new_figure, style
from .curves import angle_axis, draw_reference, target_curve

PANEL = 3.1
GRID = 241
RIGHT = -1e-9
"""A lead of at least this is right: what is equal must not fall to both sides by rounding."""

RAMP = LinearSegmentedColormap.from_list("norms", ("#f1bf0c", "#e80945", "#5525b0", "#242369"))


def loss_figure(margin: Margin) -> Figure:
    """Draw what a margin does: its target logit, the slope of it, and where it calls a row right.

    Where its own logit depends on the norm of a feature or on the class, there is a line for each; where it bends the
    other classes, a fourth panel shows their logits.

    Args:
        margin: any `Margin`; one that needs counts, for 10 classes.

    Returns:
        The figure, to be written by `save`.

    Source:
        The regions: Liu et al. 2017 (SphereFace), fig. 4; Deng et al. 2019 (ArcFace), fig. 5.
    """
    bent = bends_others(margin)
    columns, lines = (2, 2) if bent else (3, 1)
    several = probes(margin)
    with style():
        figure = new_figure(PANEL * columns, 0.97 * PANEL * lines)
        panels = figure.subplots(lines, columns).flatten()
        _draw_target(panels[0], panels[1], margin, several)
        _draw_regions(panels[2], several)
        if bent:
            _draw_others(panels[3], margin)
    return figure


def feature_loss_figure(loss: Callable[..., Any]) -> Figure:
    """Draw a feature loss and its force over the one variable that it depends on.

    Args:
        loss: a feature loss, for 2 classes and 2 dims where it asks for these.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: the loss takes an argument that `cones.probing.feature_losses.loss_curve` cannot give.
    """
    curve = loss_curve(loss)
    if curve is None:
        raise ValueError(f"{type(loss).__name__} takes other arguments than {', '.join(GIVEN)}: nothing to draw")
    with style():
        figure = new_figure(2 * PANEL, 0.9 * PANEL)
        left, right = figure.subplots(1, 2)
        _draw_along(left, curve, curve.loss, TEN[3], "loss")
        _draw_along(right, curve, curve.force, TEN[0], "force, −d loss / d" + curve.variable.split(",")[0])
    return figure


def _draw_target(value: Axes, slope: Axes, margin: Margin, several: Sequence[MarginProbe]) -> None:
    draw_reference(value, slope)
    for probe, color in zip(several, _colors(several), strict=True):
        theta, curve, by_theta = target_curve(margin, feature_norm=probe.feature_norm, label=probe.label)
        degrees = torch.rad2deg(theta)
        value.plot(degrees, curve, color=color, label=_name(probe, several))
        slope.plot(degrees, by_theta, color=color if len(several) > 1 else TEN[0])
    value.set_title("own logit t(θ) / " + _unit(margin))
    slope.set_title("its slope by θ, per radian")
    for axes in (value, slope):
        angle_axis(axes)
        axes.set_xlabel("θ, angle to the own class")
    value.legend(fontsize=7.5, loc="lower left", handlelength=1.4)


def _draw_regions(axes: Axes, several: Sequence[MarginProbe]) -> None:
    """Draw the regions where a row is right for class 1 and for class 2, over its angles to both."""
    theta = torch.linspace(0, math.pi, GRID, dtype=torch.float64)
    degrees = torch.rad2deg(theta)
    colors = _colors(several)
    by_norm = len(several) > 1 and several[0].label == several[1].label
    for probe, color in zip(several if by_norm else several[:1], colors, strict=False):
        first = lead(replace(probe, label=0), theta.cos(), theta.cos(), NUM_CLASSES - 1)
        second = lead(replace(probe, label=NUM_CLASSES - 1), theta.cos(), theta.cos(), 0)
        # contours are drawn over (column, row): θ₁ across, θ₂ up
        for region, shade in ((first.T, TEN[0]), (second, TEN[1])):
            if not by_norm or probe.feature_norm == USUAL_NORM:
                fill = axes.contourf(degrees, degrees, region, levels=[RIGHT, math.inf], colors=[shade], alpha=0.25)
                _fewer_points(fill)
            line = color if by_norm else shade
            edge = axes.contour(degrees, degrees, region, levels=[RIGHT], colors=[line], linewidths=1.3, linestyles="-")
            _fewer_points(edge)
    axes.plot([0, 180], [0, 180], color=MUTED, linestyle=(0, (1, 1.6)), linewidth=1.2)
    axes.text(0.03, 0.97, "class 1", transform=axes.transAxes, va="top", fontsize=7.5, color=INK)
    axes.text(0.97, 0.03, "class 2", transform=axes.transAxes, ha="right", fontsize=7.5, color=INK)
    axes.set_title("where a row is right")
    angle_axis(axes)
    axes.set_ylim(0, 180)
    axes.set_yticks(range(0, 181, 45), [f"{angle}°" for angle in range(0, 181, 45)])
    axes.set_xlabel("θ₁, angle to class 1")
    axes.set_ylabel("θ₂, angle to class 2")
    axes.set_aspect("equal")


def _fewer_points(contours: ContourSet) -> None:
    """Leave out the points that are on the line between others, to a ninth of a degree."""
    contours.set_paths([path.cleaned(simplify=True) for path in contours.get_paths()])


def _draw_others(axes: Axes, margin: Margin) -> None:
    theta = torch.linspace(0, math.pi, GRID, dtype=torch.float64)
    degrees = torch.rad2deg(theta)
    axes.plot(degrees, theta.cos(), color=MUTED, linestyle=(0, (1, 1.6)), linewidth=1.4, zorder=3)
    own = torch.tensor([math.radians(angle) for angle in OWN_ANGLES], dtype=torch.float64)
    logits = other_logits(MarginProbe(margin), own.cos(), theta.cos())
    if torch.allclose(logits, logits[:1].expand_as(logits)):
        axes.plot(degrees, logits[0], color=TEN[2])
    else:
        for angle, line, color in zip(OWN_ANGLES, logits, (TEN[2], TEN[1], TEN[4]), strict=True):
            axes.plot(degrees, line, color=color, label=f"own class at {angle}°")
        axes.legend(fontsize=7.5, loc="lower left", handlelength=1.4)
    axes.set_title("others' logit o(θ) / " + _unit(margin))
    angle_axis(axes)
    axes.set_xlabel("θ, angle to another class")


def _draw_along(axes: Axes, curve: LossCurve, values: Tensor, color: str, title: str) -> None:
    places = torch.rad2deg(curve.places) if curve.is_angle else curve.places
    axes.plot(places, values, color=color)
    if curve.is_angle:
        angle_axis(axes)
    else:
        axes.set_xlim(0, math.ceil(float(curve.places[-1])))
        axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0.5)
    for place, name in curve.marks:
        at = math.degrees(place) if curve.is_angle else place
        axes.axvline(at, color=MUTED, linestyle=(0, (1, 1.6)), linewidth=1.0)
        axes.annotate(name, (at, 1), (3, -3), xycoords=("data", "axes fraction"), textcoords="offset points",
                      va="top", fontsize=7.5, color=MUTED,
                      bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6})  # fmt: skip
    axes.set_title(title)
    axes.set_xlabel(curve.variable)
    _keep_in_sight(axes, values)


def _keep_in_sight(axes: Axes, values: Tensor) -> None:
    """Cut off a pole that would flatten everything else."""
    high = float(values.abs().quantile(0.75))
    if float(values.abs().max()) > 8 * high > 0:
        axes.set_ylim(max(float(values.min()), -4 * high) - 0.2 * high, min(float(values.max()), 4 * high) + 0.2 * high)


def _colors(several: Sequence[MarginProbe]) -> list[str]:
    if len(several) == 1:
        return [TEN[3]]
    return [to_hex(RAMP(place / (len(several) - 1))) for place in range(len(several))]


def _name(probe: MarginProbe, several: Sequence[MarginProbe]) -> str | None:
    if len(several) == 1:
        return "t"
    by_norm = several[0].label == several[1].label
    return f"‖x‖ = {probe.feature_norm:g}" if by_norm else ("first class", "last class")[probe.label > 0]


def _unit(margin: Margin) -> str:
    return "(s ‖x‖)" if margin.features == "raw" else "s"
