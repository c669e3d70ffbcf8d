"""One legend for a whole figure."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

MOST_NAMES = 40


def class_legend(figure: Figure, classes: Sequence[str], colors: Sequence[str], font: float) -> None:
    """Put the colours of the classes under the panels; too many names to read become one line of text."""
    if len(classes) > MOST_NAMES:
        figure.supxlabel(f"{len(classes)} classes, one colour each", fontsize=font)
        return
    handles = [
        Line2D([], [], marker="o", linestyle="none", markersize=0.7 * font, color=color, markeredgewidth=0, label=name)
        for name, color in zip(classes, colors, strict=True)
    ]
    # as many in a line as the width holds: a name of n letters takes about (0.62 n + 3) ems
    room = 72 * figure.get_figwidth() / (font * (0.62 * max(len(name) for name in classes) + 3))
    lines = math.ceil(len(classes) / max(1, int(room)))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=math.ceil(len(classes) / lines),
        fontsize=font,
        handletextpad=0.2,
        columnspacing=1.2,
    )


def legend_below(figure: Figure, font: float = 8) -> None:
    """Put the names of what is in the first panel under all of them, where nothing is drawn."""
    handles, names = figure.axes[0].get_legend_handles_labels()
    # a name of n letters takes about (0.62 n + 4) ems
    longest = max(len(name) for name in names)
    room = 72 * figure.get_figwidth() / (font * (0.62 * longest + 4))
    figure.legend(handles, names, loc="outside lower center", ncols=min(max(1, int(room)), len(names)), fontsize=font)
