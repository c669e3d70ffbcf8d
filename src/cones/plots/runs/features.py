"""The famous picture: the features of one loss, a colour per class, with the class directions through them."""

# N rows, D dims, K classes.

import math
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from torch import Tensor

from .._legend import class_legend
from .._palette import class_colors
from .._style import new_figure, style
from .._text import literal, wrap
from ._plane import ROOM, Logits, draw_plane, reach_of, rim_radius
from ._points import LabelledFeatures, check_weight, principal_plane
from ._sphere import draw_sphere


def feature_figure(
    sets: Sequence[LabelledFeatures],
    weight: Tensor,
    classes: Sequence[str],
    *,
    title: str = "",
    logits: Logits | None = None,
    columns: int = 2,
) -> Figure:
    """Draw features and class directions, one panel a set, side by side.

    In two dimensions the features are drawn as they are, from the origin; the regions behind them are the
    classes that `logits` would predict. In three they are drawn as directions on the unit sphere. More
    dimensions are projected on the plane through the origin that keeps most of Σ‖x‖², and the title says so.

    Args:
        sets: `LabelledFeatures` with features (N, D), D ≥ 2; the panels share one scale.
        weight: (K, D), one row per class.
        classes: K names.
        title: over the panels, such as the objective.
        logits: maps (M, 2) features to (M, K) label-free logits; used in two dimensions only.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no sets, fewer than two dimensions, or shapes that do not fit.

    Source:
        Wen et al. 2016 (center loss), fig. 2; Liu et al. 2016 (L-Softmax), fig. 2.
    """
    if not sets:
        raise ValueError("sets is empty, expected at least one LabelledFeatures to draw")
    for points in sets:
        check_weight(points, weight, len(classes))
    classes = [literal(name) for name in classes]
    dims = weight.shape[1]
    if dims < 2:
        raise ValueError(f"features have {dims} dimension, expected 2 or more, to draw a plane")
    if dims > 3:
        basis, share = principal_plane(sets[0].features)
        sets = [replace(points, features=points.features.detach().to(basis.dtype) @ basis) for points in sets]
        weight = weight.detach().to(basis.dtype) @ basis
        title += f"\n2 of {dims} dimensions (PCA through the origin, {100 * share:.0f} % of Σ‖x‖²)"
        logits = None
    colors = class_colors(len(classes))
    with style():
        columns = min(columns, len(sets))
        lines = math.ceil(len(sets) / columns)
        height = 4.1 * (ROOM / reach_of(classes) if dims != 3 else 0.9)
        figure = new_figure(4.1 * columns, (height + 0.3) * lines + 0.7)
        radius = rim_radius(sets)
        for place, points in enumerate(sets, 1):
            if dims == 3:
                axes = figure.add_subplot(lines, columns, place, projection="3d")
                draw_sphere(axes, points, weight, classes, colors, font=8)
            else:
                axes = figure.add_subplot(lines, columns, place)
                draw_plane(axes, points, weight, classes, colors, radius, logits=logits, font=8)
            axes.set_title(points.name, loc="center", fontsize=9.5, fontweight="normal")
        figure.suptitle(wrap(title, 44 * columns), fontsize=11, fontweight="bold")
        class_legend(figure, classes, colors, font=8.5)
    return figure
