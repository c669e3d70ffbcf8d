"""Style of every figure, and figures without global state."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ._palette import FAINT, INK, MUTED

RASTER_DPI = 130  # of points inside an SVG: 60 000 of them stay under 500 kB
PIXEL_DPI = 160

_RC: dict[Any, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#eceef2",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "cones",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """The settings of the figures, in force inside the `with` only."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change a byte of what is written
        matplotlib.rcParams.update(_RC)
        yield


class Figure(MatplotlibFigure):
    """A figure that shows itself as the last value of a notebook's cell, whatever matplotlib's backend is."""

    def _repr_png_(self) -> bytes:
        """The picture, as a notebook shows it."""
        content = io.BytesIO()
        with style():
            self.savefig(content, format="png", dpi=RASTER_DPI)
        return content.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """A white figure of `width` by `height` inches on its own canvas."""
    figure = Figure(
        figsize=(width, height),
        dpi=RASTER_DPI,
        facecolor="white",
        layout=ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07),
    )
    FigureCanvasAgg(figure)
    return figure


def panel_width(columns: int) -> float:
    """Inches of one of many panels; two in a line are for a narrow screen, where letters need the room."""
    return 2.75 if columns > 2 else 2.25


def half_width(columns: int) -> float:
    """Inches of one of two panels: side by side they fill the page, alone in a line they are for a narrow screen."""
    return 5.2 if columns > 1 else 4.1


def bare(axes: Axes) -> None:
    """Take ticks, grid and frame away."""
    axes.set_axis_off()
    axes.set_aspect("equal")


def percents(axis: Axis) -> None:
    """Write the ticks of an axis of shares as percentages."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")


def say(axes: Axes, text: str) -> None:
    """Words in place of a curve."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=8.5)
