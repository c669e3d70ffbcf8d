"""Parts shared by ROC and DET: curves by name, their colours, and the axis of false accept rates."""

# M operating points.

from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from torch import Tensor

from ...evaluation import VerificationDetails
from .._palette import TRAIN, class_colors

DOTS = 200
"""Per decade of FAR, and over the whole range of TAR."""

Curves = VerificationDetails | Mapping[str, VerificationDetails]
"""One verification, or several by name."""


def by_name(curves: Curves) -> dict[str, VerificationDetails]:
    """The curves by name; a single one under "".

    Raises:
        ValueError: there are none, or one lacks a kind of pairs.
    """
    named = {"": curves} if isinstance(curves, VerificationDetails) else dict(curves)
    if not named:
        raise ValueError("details is empty, expected at least one VerificationDetails to draw")
    for name, one in named.items():
        genuine, impostors = pairs(one)
        if genuine == 0 or impostors == 0:
            whose = f" of {name!r}" if name else ""
            raise ValueError(
                f"details{whose} has {genuine} genuine and {impostors} impostor pairs, expected both kinds: "
                "a curve needs subjects with two samples or more, and two subjects"
            )
    return named


def colors_of(named: Mapping[str, VerificationDetails]) -> list[str]:
    """A colour for each curve."""
    return [TRAIN] if len(named) == 1 else class_colors(len(named))


def draw_dot(axes: Axes, x: float, y: float, color: str, label: str | None, marker: str = "o") -> None:
    """Draw one point of a curve, above the curves and over the edge of the axes."""
    axes.plot(
        x,
        y,
        marker=marker,
        markersize=6.5,
        color=color,
        markeredgecolor="white",
        linestyle="none",
        clip_on=False,
        zorder=4,
        label=label,
    )


def pairs(details: VerificationDetails) -> tuple[int, int]:
    """Numbers of genuine and of impostor pairs."""
    return int(details.genuine.sum()), int(details.impostors.sum())


def smallest_far(details: VerificationDetails) -> float:
    """The smallest false accept rate above 0 that is reached; that of one impostor pair where none is below 1."""
    between = details.far[(details.far > 0) & (details.far < 1)]
    return between.min().item() if len(between) else 1 / pairs(details)[1]


def visible(far: Tensor, tar: Tensor) -> Tensor:
    """The points (M,) that a curve needs on a logarithmic axis of FAR: those that move it by a dot or so."""
    dots = torch.stack([(far.log10() * DOTS).round(), (tar * DOTS).round()])  # (2, M)
    moved = (dots.diff(dim=1) != 0).any(0)
    end = moved.new_ones(1)
    # both the last point before a step and the first after it, or slopes would appear
    return torch.cat([end, moved]) | torch.cat([moved, end])
