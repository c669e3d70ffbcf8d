"""The picture in three dimensions: feature directions on the unit sphere."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.colors import to_rgb
from mpl_toolkits.mplot3d import Axes3D
from torch import Tensor

from .._palette import FAINT, INK, text_color
from ._plane import MOST_LABELS
from ._points import LabelledFeatures

ELEVATION, AZIMUTH = 22.0, 35.0  # degrees, as matplotlib takes them


def draw_sphere(
    axes: Axes3D,
    points: LabelledFeatures,
    weight: Tensor,
    classes: Sequence[str],
    colors: Sequence[str],
    *,
    font: float,
) -> None:
    """Draw the directions of `points` (N, 3) on the unit sphere, and those of `weight` (K, 3) through it."""
    axes.set_axis_off()
    axes.set_box_aspect((1, 1, 1), zoom=1.5)
    axes.view_init(elev=ELEVATION, azim=AZIMUTH)
    axes.set_proj_type("ortho")
    _draw_globe(axes)
    norm = points.features.detach().to(torch.float64).norm(dim=1, keepdim=True)
    unit = (points.features.detach().to(torch.float64) / norm.clamp_min(1e-300)).numpy()
    front = unit @ _towards_viewer() > 0
    crowd = min(1.0, math.sqrt(2000 / len(unit)))
    color = np.array([to_rgb(c) for c in colors])[points.labels.numpy()]
    # what lies on the far side of the globe is kept, but faint
    for side, alpha in ((~front, 0.08), (front, 0.25 + 0.4 * crowd)):
        axes.scatter(
            *unit[side].T,
            s=2.0 + 5.0 * crowd,
            c=color[side],
            alpha=alpha,
            linewidths=0,
            depthshade=False,
            rasterized=True,
        )
    for j, row in enumerate(weight.detach().to(torch.float64)):
        if bool(row.norm() > 0):
            w = (row / row.norm()).numpy()
            ahead = bool(w @ _towards_viewer() > 0)
            axes.plot(*np.stack([0 * w, 1.08 * w], 1), color=INK, linewidth=0.9, alpha=0.9 if ahead else 0.3)
            if len(classes) <= MOST_LABELS:
                badge = {"boxstyle": "round,pad=0.2,rounding_size=0.5", "facecolor": colors[j], "edgecolor": "white"}
                axes.text(
                    *(1.16 * w),
                    classes[j],
                    color=text_color(colors[j]),
                    fontsize=font,
                    fontweight="bold",
                    ha="center",
                    va="center",
                    bbox=badge,
                    alpha=1.0 if ahead else 0.55,
                )


def _towards_viewer() -> np.ndarray:
    up, around = math.radians(ELEVATION), math.radians(AZIMUTH)
    return np.array([math.cos(up) * math.cos(around), math.cos(up) * math.sin(around), math.sin(up)])


def _draw_globe(axes: Axes3D) -> None:
    turn = np.linspace(0, 2 * math.pi, 73)
    for latitude in np.radians(np.arange(-60, 61, 30)):
        ring = np.stack([np.cos(latitude) * np.cos(turn), np.cos(latitude) * np.sin(turn), 0 * turn + np.sin(latitude)])
        axes.plot(*ring, color=FAINT, linewidth=0.5, zorder=0)
    for longitude in np.radians(np.arange(0, 180, 30)):
        ring = np.stack([np.cos(longitude) * np.cos(turn), np.sin(longitude) * np.cos(turn), np.sin(turn)])
        axes.plot(*ring, color=FAINT, linewidth=0.5, zorder=0)
