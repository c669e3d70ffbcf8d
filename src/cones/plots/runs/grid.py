"""The picture of several losses side by side."""

# N rows, K classes.

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure
from torch import Tensor

from .._legend import class_legend
from .._palette import MUTED, class_colors
from .._style import new_figure, panel_width, style
from .._text import finite, literal, percent, wrap
from ._plane import Logits, draw_plane, rim_radius
from ._points import LabelledFeatures, check_weight, principal_plane
from ._sphere import draw_sphere


@dataclass(frozen=True)
class Panel:
    """One loss in the grid.

    Attributes:
        title: the loss, such as "CosFace(margin=0.2, scale=16)".
        points: features (N, D), usually of the test set.
        weight: (K, D), one row per class.
        accuracy: share in 0..1, written under the title; None for no line.
        logits: maps (M, 2) features to (M, K) label-free logits, for the regions of two-dimensional features.
    """

    title: str
    points: LabelledFeatures
    weight: Tensor
    accuracy: float | None = None
    logits: Logits | None = None


def grid_figure(panels: Sequence[Panel], classes: Sequence[str], *, columns: int = 4) -> Figure:
    """Draw one disc per loss, all with the same colours and one legend; each disc has its own scale.

    Features of more than three dimensions are projected on their principal plane, as in `feature_figure`.

    Args:
        panels: the losses, in order, line by line.
        classes: K names, shared by all panels.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no panels, fewer than two dimensions, or shapes that do not fit.
    """
    if not panels:
        raise ValueError("panels is empty, expected at least one loss to draw")
    if columns < 1:
        raise ValueError(f"columns is {columns}, expected 1 or more")
    for panel in panels:
        check_weight(panel.points, panel.weight, len(classes))
        if panel.weight.shape[1] < 2:
            raise ValueError(f"features of {panel.title!r} have 1 dimension, expected 2 or more")
    classes = [literal(name) for name in classes]
    width = panel_width(columns)
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    colors = class_colors(len(classes))
    short = all(len(name) <= 2 for name in classes)  # longer names would shrink the discs; the legend has them
    titles = [wrap(panel.title, int(11.3 * width)) for panel in panels]
    with style():
        figure = new_figure(width * columns, (width + 0.37) * lines + 0.35)
        for place, (panel, title) in enumerate(zip(panels, titles, strict=True), 1):
            solid = panel.weight.shape[1] == 3
            axes = figure.add_subplot(lines, columns, place, **({"projection": "3d"} if solid else {}))
            note = [] if finite(panel.accuracy) is None else [percent(panel.accuracy)]
            if solid:
                draw_sphere(axes, panel.points, panel.weight, classes, colors, font=6.5)
            else:
                flat = panel if panel.weight.shape[1] == 2 else _flat(panel)
                if flat is not panel:
                    note.append(f"PCA of {panel.weight.shape[1]} dimensions")
                radius = rim_radius([flat.points])
                draw_plane(
                    axes, flat.points, flat.weight, classes, colors, radius, named=short, logits=flat.logits, font=6.5
                )
            axes.set_title(title, loc="center", fontsize=8.5, pad=15)
            axes.annotate(
                ", ".join(note),
                (0.5, 1.0),
                xycoords="axes fraction",
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                color=MUTED,
            )
        class_legend(figure, classes, colors, font=9)
    return figure


def _flat(panel: Panel) -> Panel:
    basis, _ = principal_plane(panel.points.features)
    features = panel.points.features.detach().to(basis.dtype) @ basis
    weight = panel.weight.detach().to(basis.dtype) @ basis
    return replace(panel, points=replace(panel.points, features=features), weight=weight, logits=None)
