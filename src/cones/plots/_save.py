"""Figures to files."""

import os
from pathlib import Path

from matplotlib.figure import Figure

from ..common.atomic_files import replacing
from ._style import PIXEL_DPI, RASTER_DPI, style


def save(figure: Figure, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write `figure` as SVG and as PNG, each whole or not at all.

    The same figure gives the same bytes: ids are salted with a constant and no date is written.

    Args:
        figure: any matplotlib figure.
        path: where to, without a suffix; the folder is made when it is missing.

    Returns:
        The paths of the SVG and of the PNG.

    Raises:
        OSError: when the folder cannot be written to.
    """
    path = Path(path)
    vector, pixels = path.with_name(path.name + ".svg"), path.with_name(path.name + ".png")
    save_svg(figure, vector)
    with style(), replacing(pixels) as aside:
        figure.savefig(aside, format="png", dpi=PIXEL_DPI, metadata={"Software": "cones"})
    return vector, pixels


def save_svg(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write `figure` to `path` as SVG alone; otherwise as `save`."""
    with style(), replacing(Path(path)) as aside:
        figure.savefig(aside, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": "cones"})
