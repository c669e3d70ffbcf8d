"""One disc of the famous picture: features in the plane, class directions to the rim, decision regions behind."""

# N rows, K classes, M points of the region grid.

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle
from torch import Tensor

from .._palette import FAINT, INK, MUTED, text_color
from .._style import bare
from ._points import LabelledFeatures

Logits = Callable[[Tensor], Tensor]

GRID = 300
MOST_LABELS = 30
LONGEST_NAME = 12
ROOM = 1.17  # for badges of one letter around a rim of radius 1


def rim_radius(sets: Sequence[LabelledFeatures]) -> float:
    """Radius of the disc: all points, unless a few lie so far out that they would shrink the rest."""
    norms = torch.cat([points.features.detach().to(torch.float64).norm(dim=1) for points in sets])
    usual = torch.sort(norms).values[math.ceil(0.995 * (len(norms) - 1))].item()
    radius = 1.04 * min(norms.max().item(), 1.35 * usual)
    return radius if radius > 0 else 1.0


def draw_plane(
    axes: Axes,
    points: LabelledFeatures,
    weight: Tensor,
    classes: Sequence[str],
    colors: Sequence[str],
    radius: float,
    *,
    logits: Logits | None,
    font: float,
    named: bool = True,
) -> None:
    """Draw `points` (N, 2) and the directions `weight` (K, 2) in a disc of `radius` around the origin.

    `named` writes the classes at the rim; without it they are dots of their colour.
    """
    bare(axes)
    rim = Circle((0, 0), radius, facecolor="none", edgecolor=FAINT, linewidth=1.0, zorder=1)
    axes.add_patch(rim)
    if logits is not None:
        image = axes.imshow(
            _regions(logits, radius, colors),
            extent=(-radius, radius, -radius, radius),
            origin="lower",
            interpolation="bilinear",
            zorder=0,
        )
        image.set_clip_path(rim)
    _draw_points(axes, points, colors, radius)
    reach = radius * reach_of(classes if named else [])
    _draw_directions(axes, weight, radius, width=0.1 * font if len(classes) <= MOST_LABELS else 0.03 * font)
    if named and len(classes) <= MOST_LABELS:
        _draw_names(axes, weight, classes, colors, radius, font=font, reach=reach)
    elif len(classes) <= MOST_LABELS:
        _draw_dots(axes, weight, colors, radius, font)
    axes.plot(0, 0, marker="o", markersize=3.2, color="white", markeredgecolor=INK, markeredgewidth=0.9, zorder=6)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-ROOM * radius, ROOM * radius)
    _draw_scale(axes, points, radius, font)


def reach_of(classes: Sequence[str]) -> float:
    """The reach of the classes' names to the sides, in radii."""
    if not classes or len(classes) > MOST_LABELS:
        return ROOM
    longest = min(max(len(name) for name in classes), LONGEST_NAME)
    return ROOM + 0.045 * max(longest - 2, 0)


def _regions(logits: Logits, radius: float, colors: Sequence[str]) -> np.ndarray:
    """Faint colours (GRID, GRID, 3) of the class with the largest logit."""
    side = (torch.arange(GRID, dtype=torch.float64) + 0.5) / GRID * 2 * radius - radius
    y, x = torch.meshgrid(side, side, indexing="ij")
    with torch.no_grad():
        best = logits(torch.stack([x.flatten(), y.flatten()], 1).float()).argmax(1)  # (M,)
    faint = 1 - 0.17 * (1 - np.array([to_rgb(color) for color in colors]))
    return np.asarray(faint[best.numpy()].reshape(GRID, GRID, 3))


def _draw_points(axes: Axes, points: LabelledFeatures, colors: Sequence[str], radius: float) -> None:
    x = points.features.detach().to(torch.float64)
    # in a fixed random order, so that no class lies on top because it comes last
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    order = order[x[order].norm(dim=1) <= radius]
    rgb = np.array([to_rgb(color) for color in colors])
    crowd = min(1.0, math.sqrt(2000 / max(len(x), 1)))
    axes.scatter(
        x[order, 0].numpy(),
        x[order, 1].numpy(),
        s=2.0 + 5.0 * crowd,
        c=rgb[points.labels[order].numpy()],
        alpha=0.25 + 0.4 * crowd,
        linewidths=0,
        rasterized=True,
        zorder=2,
    )


def _draw_directions(axes: Axes, weight: Tensor, radius: float, *, width: float) -> None:
    casing = [patheffects.Stroke(linewidth=3 * width, foreground="white", alpha=0.7), patheffects.Normal()]
    for angle in _angles(weight).values():
        x, y = (0, radius * math.cos(angle)), (0, radius * math.sin(angle))
        axes.plot(x, y, color=INK, linewidth=width, solid_capstyle="round", path_effects=casing, zorder=4)


def _draw_dots(axes: Axes, weight: Tensor, colors: Sequence[str], radius: float, font: float) -> None:
    for j, angle in _angles(weight).items():
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        axes.plot(x, y, marker="o", markersize=font, color=colors[j], markeredgecolor="white", zorder=5)


def _draw_names(
    axes: Axes,
    weight: Tensor,
    classes: Sequence[str],
    colors: Sequence[str],
    radius: float,
    *,
    font: float,
    reach: float,
) -> None:
    angles = _angles(weight)
    disc = 72 * axes.bbox.width / axes.figure.dpi * radius / reach  # across, in points
    places = spread(list(angles.values()), gap=4 * font / disc)
    for j, angle in zip(angles, places, strict=True):
        name = classes[j] if len(classes[j]) <= LONGEST_NAME else classes[j][: LONGEST_NAME - 1] + "…"
        axes.text(
            1.07 * radius * math.cos(angle),
            1.07 * radius * math.sin(angle),
            name,
            color=text_color(colors[j]),
            fontsize=font,
            fontweight="bold",
            ha="center" if len(name) <= 2 else ("left" if math.cos(angle) > 0 else "right"),
            va="center",
            bbox={
                "boxstyle": "circle,pad=0.22" if len(name) == 1 else "round,pad=0.22,rounding_size=0.5",
                "facecolor": colors[j],
                "edgecolor": "white",
                "linewidth": 0.8,
            },
            zorder=5,
        )


def _angles(weight: Tensor) -> dict[int, float]:
    """The angle of every class direction, by class; a zero row points nowhere."""
    w = weight.detach().to(torch.float64)
    return {j: math.atan2(y, x) for j, (x, y) in enumerate(w.tolist()) if (x, y) != (0.0, 0.0)}


def _draw_scale(axes: Axes, points: LabelledFeatures, radius: float, font: float) -> None:
    beyond = int((points.features.detach().to(torch.float64).norm(dim=1) > radius).sum())
    note = f"rim ‖x‖ = {radius:.3g}" + (f"\n{beyond} beyond" if beyond else "")
    axes.text(1.0, 0.0, note, transform=axes.transAxes, ha="right", va="bottom", fontsize=0.85 * font, color=MUTED)


def spread(angles: Sequence[float], gap: float) -> list[float]:
    """Move angles (radians, on the circle) apart until neighbours are `gap` from each other, keeping their order."""
    count = len(angles)
    if count < 2:
        return list(angles)
    gap = min(gap, 2 * math.pi / count)
    order = sorted(range(count), key=lambda j: angles[j])
    moved = [angles[j] for j in order]
    for _ in range(200):
        for i in range(count):
            after = (i + 1) % count
            turn = 2 * math.pi if after == 0 else 0.0
            short = gap - (moved[after] + turn - moved[i])
            if short > 1e-9:
                moved[i] -= short / 2
                moved[after] += short / 2
    result = [0.0] * count
    for place, j in enumerate(order):
        result[j] = moved[place]
    return result
