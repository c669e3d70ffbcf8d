"""Norms of the features of each class."""

# N rows, K classes.

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .._palette import FAINT, INK, MUTED, class_colors
from .._style import new_figure, style
from .._text import literal
from ._points import LabelledFeatures

MOST_BOXES = 40


def norm_figure(sets: Sequence[LabelledFeatures], classes: Sequence[str], *, columns: int = 2) -> Figure:
    """Draw the feature norms ‖x‖ of every class: a box from quartile to quartile, whiskers from 1 % to 99 %.

    More than forty classes are sorted by their median and drawn as a line with the same ranges around it.

    Args:
        sets: `LabelledFeatures` with features (N, D), one panel each, on one scale.
        classes: K names; labels are 0..K-1.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no sets, or labels without a name.
    """
    if not sets:
        raise ValueError("sets is empty, expected at least one LabelledFeatures to draw")
    for points in sets:
        if int(points.labels.min()) < 0 or int(points.labels.max()) >= len(classes):
            raise ValueError(
                f"labels of {points.name!r} run from {int(points.labels.min())} to {int(points.labels.max())}, "
                f"but there are {len(classes)} classes"
            )
    classes = [literal(name) for name in classes]
    with style():
        columns = min(columns, len(sets))
        lines = math.ceil(len(sets) / columns)
        figure = new_figure(4.1 * columns, 3.0 * lines)
        panels = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
        for axes, points in zip(panels, sets, strict=False):
            present, summary = _quantiles(points, len(classes))
            if len(classes) <= MOST_BOXES:
                _boxes(axes, present, summary, classes)
            else:
                _band(axes, summary)
            axes.set_title(points.name)
            axes.grid(axis="x", visible=False)
        panels[0].set_ylim(bottom=0)
        for spare in panels[len(sets) :]:
            spare.set_axis_off()
        figure.supylabel("feature norm ‖x‖", fontsize=9, color=MUTED)
    return figure


def _quantiles(points: LabelledFeatures, num_classes: int) -> tuple[list[int], Tensor]:
    """The classes that occur, and the 1, 25, 50, 75 and 99 % quantiles of their norms (C, 5)."""
    norms = points.features.detach().to(torch.float64).norm(dim=1)
    present = [j for j in range(num_classes) if bool((points.labels == j).any())]
    at = torch.tensor([0.01, 0.25, 0.5, 0.75, 0.99], dtype=torch.float64)
    return present, torch.stack([_quantile(norms[points.labels == j], at) for j in present])


def _quantile(values: Tensor, at: Tensor) -> Tensor:
    """Linear quantiles by sorting: torch.quantile refuses more than 16 million values."""
    ranked = torch.sort(values).values
    place = at * (len(ranked) - 1)
    low = place.floor().long()
    return torch.lerp(ranked[low], ranked[place.ceil().long()], place - low)


def _boxes(axes: Axes, present: Sequence[int], summary: Tensor, classes: Sequence[str]) -> None:
    colors = class_colors(len(classes))
    names = ("whislo", "q1", "med", "q3", "whishi")
    boxes = axes.bxp(
        [dict(zip(names, row, strict=True)) | {"fliers": []} for row in summary.tolist()],
        positions=present,
        widths=0.62,
        patch_artist=True,
        showfliers=False,
        showcaps=False,
        medianprops={"color": "white", "linewidth": 1.6},
        whiskerprops={"color": MUTED, "linewidth": 1.1},
        manage_ticks=False,
    )
    for j, box in zip(present, boxes["boxes"], strict=True):
        box.set(facecolor=colors[j], edgecolor="none")
    axes.set_xlim(-0.7, len(classes) - 0.3)
    long = max(len(name) for name in classes) > 3
    axes.set_xticks(range(len(classes)), classes, rotation=45 if long else 0, ha="right" if long else "center")


def _band(axes: Axes, summary: Tensor) -> None:
    ranked = summary[summary[:, 2].argsort()]
    place = range(len(ranked))
    axes.fill_between(place, ranked[:, 0], ranked[:, 4], color=FAINT, linewidth=0, label="1–99 %")
    axes.fill_between(place, ranked[:, 1], ranked[:, 3], color=MUTED, alpha=0.6, linewidth=0, label="25–75 %")
    axes.plot(place, ranked[:, 2], color=INK, label="median")
    axes.set_xlabel("classes, sorted by their median")
    axes.legend(fontsize=8)
