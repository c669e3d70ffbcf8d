"""Histograms of the angles of features to their own class direction and to the nearest other."""

# N rows, D dims, K classes.

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .._palette import MUTED, TEN
from .._style import new_figure, panel_width, style
from .._text import percent, wrap
from ._points import LabelledFeatures, check_weight

OWN, OTHER = TEN[9], TEN[1]
BIN = 2  # degrees
BLOCK = 2**21


def class_angles(features: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Angles to the own and to the nearest other class direction.

    Args:
        features: (N, D).
        labels: (N,) integers 0..K-1.
        weight: (K, D), K ≥ 2.

    Returns:
        (N,) and (N,) float64 angles in radians. A zero feature is at π/2 to everything.
    """
    directions = torch.nn.functional.normalize(weight.detach().to(torch.float64), dim=1)
    own, other = [], []
    step = max(1, BLOCK // max(weight.shape))
    for start in range(0, len(features), step):
        x = features[start : start + step].detach().to(torch.float64)
        y = labels[start : start + step, None]
        cosine = torch.nn.functional.normalize(x, dim=1) @ directions.T
        own.append(cosine.gather(1, y)[:, 0])
        other.append(cosine.scatter(1, y, -1.0).amax(1))
    return torch.cat(own).clamp(-1, 1).acos(), torch.cat(other).clamp(-1, 1).acos()


def angle_figure(sets: Sequence[LabelledFeatures], weight: Tensor, *, columns: int = 2) -> Figure:
    """Draw for each set how its angles to the own and to the nearest other class direction are spread.

    Args:
        sets: `LabelledFeatures` with features (N, D), one panel each.
        weight: (K, D), one row per class, K ≥ 2.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no sets, one class, or shapes that do not fit.
    """
    names = [points.name for points in sets]
    return _histograms([(points, weight) for points in sets], names, columns, width=4.1)


def angle_grid(panels: Sequence[tuple[LabelledFeatures, Tensor]], titles: Sequence[str], *, columns: int = 4) -> Figure:
    """The same histograms for several losses, each with its own class directions, on one scale of angles.

    Args:
        panels: `LabelledFeatures` (N, D) and weight (K, D) of each panel.
        titles: one a panel.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no panels, one class, or shapes that do not fit.
    """
    return _histograms(panels, titles, columns, width=panel_width(columns))


def _histograms(
    panels: Sequence[tuple[LabelledFeatures, Tensor]], titles: Sequence[str], columns: int, width: float
) -> Figure:
    if not panels:
        raise ValueError("panels is empty, expected at least one set of features to draw")
    for points, weight in panels:
        check_weight(points, weight, len(weight))
        if len(weight) < 2:
            raise ValueError("weight has 1 row; an angle to the nearest other class needs two classes")
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    with style():
        figure = new_figure(width * columns, 2.3 * lines + 0.6)
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True).flatten()
        pairs = [class_angles(points.features, points.labels, weight) for points, weight in panels]
        limit = _limit(torch.cat([angles for pair in pairs for angles in pair]))
        for place, ((own, other), title) in enumerate(zip(pairs, titles, strict=True)):
            _draw(axes[place], torch.rad2deg(own), torch.rad2deg(other), limit)
            axes[place].set_title(wrap(title, int(11 * width)), fontsize=8.5)
        for spare in axes[len(panels) :]:
            spare.set_axis_off()
        figure.supxlabel("angle (dashed: mean)", fontsize=9, color=MUTED)
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=2, fontsize=8.5)
    return figure


def _limit(angles: Tensor) -> int:
    """The end of the axis, in degrees: the few features that point elsewhere are counted, not drawn."""
    usual = math.degrees(torch.sort(angles).values[math.floor(0.98 * (len(angles) - 1))].item())
    return next(limit for limit in (45, 90, 135, 180) if usual <= limit)


def _draw(axes: Axes, own: Tensor, other: Tensor, limit: int) -> None:
    edges = torch.arange(0, limit + BIN, BIN, dtype=torch.float64).clamp_max(limit)
    for angles, color, name, word, height in (
        (own, OWN, "to the own class", "own", 0.97),
        (other, OTHER, "to the nearest other class", "other", 0.86),
    ):
        share = torch.histogram(angles[angles <= limit], edges).hist / len(angles)
        axes.stairs(share, edges, fill=True, color=color, alpha=0.55, linewidth=0, label=name)
        axes.stairs(share, edges, color=color, linewidth=1.0)
        mean = angles.mean().item()
        axes.plot([mean, mean], [0, 0.68], transform=axes.get_xaxis_transform(), color=color, linestyle=(0, (3, 2)))
        _corner(axes, height, f"{word} {mean:.1f}°", color, 8.5)
    beyond = (own > limit).double().mean().item()
    if beyond > 0:
        _corner(axes, 0.765, f"own beyond {limit}°: {percent(beyond, 1)}", MUTED, 7.5)
    axes.set_ylim(0, axes.get_ylim()[1] / 0.7)  # room for the numbers above the bars
    axes.set_xlim(0, limit)
    axes.set_xticks(range(0, limit + 1, limit // 3), [f"{angle}°" for angle in range(0, limit + 1, limit // 3)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _corner(axes: Axes, height: float, text: str, color: str, font: float) -> None:
    weight = "bold" if font > 8 else "normal"
    axes.text(
        0.99,
        height,
        text,
        transform=axes.transAxes,
        ha="right",
        va="top",
        color=color,
        fontsize=font,
        fontweight=weight,
    )
