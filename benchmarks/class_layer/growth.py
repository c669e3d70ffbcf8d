"""Plot of the time against K, N and D, as a ratio to the three products."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.class_layer.contenders import (
    AUTOCAST,
    BARE_ARCFACE,
    CONES,
    CONES_LOW,
    FAST_PRODUCTS,
    INDEXED,
    LINEAR_CE,
)
from benchmarks.class_layer.summary import find, ratio
from cones.plots._palette import INK, MUTED, TEN
from cones.plots._style import new_figure, style

TITLES = {"classes": "classes K", "rows": "rows N", "dim": "dims D"}
LETTERS = {"rows": "N", "classes": "K", "dim": "D"}
LOOKS = {  # colour, marker, dashes: three ways to tell lines apart
    FAST_PRODUCTS: (MUTED, "", (0, (2, 2))),
    BARE_ARCFACE: (MUTED, "", (0, (5, 2))),
    CONES: (TEN[9], "o", "-"),
    CONES_LOW: (TEN[0], "s", "-"),
    INDEXED: (TEN[3], "^", "-"),
    AUTOCAST: (TEN[1], "D", "-"),
    LINEAR_CE: (TEN[2], "v", "-"),
}


def growth_figure(results: dict[str, Any]) -> Figure | None:
    """One panel for each axis that grows; None where none has two points."""
    axes_that_grow = [axis for axis, sizes in results["growth"].items() if len(sizes) > 1]
    if not axes_that_grow:
        return None
    with style():
        figure = new_figure(1.0 + 2.9 * len(axes_that_grow), 3.7)
        panels = figure.subplots(1, len(axes_that_grow), sharey=True, squeeze=False)[0]
        for panel, axis in zip(panels, axes_that_grow, strict=True):
            _draw(panel, results, axis)
        panels[0].set_yscale("log")  # shared
        panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels[0].yaxis.set_minor_locator(NullLocator())
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        panels[0].set_ylabel("time / time of the three products")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3))
    return figure


def _draw(panel: Axes, results: dict[str, Any], axis: str) -> None:
    sizes = results["growth"][axis]
    for name in results["growing"]:
        color, marker, dashes = LOOKS[name]
        found = [(size[axis], find(results, name, size)) for size in sizes]
        points = [(x, ratio(case)) for x, case in found if case is not None and "seconds" in case]
        if not points:  # left out on this processor
            continue
        xs, ys = zip(*points, strict=True)
        panel.plot(xs, ys, color=color, marker=marker, linestyle=dashes, markersize=4.5, label=name)
    panel.axhline(1, color=INK, linewidth=0.8, zorder=1)
    panel.set_xscale("log")
    panel.set_xticks([size[axis] for size in sizes])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _short(x)))
    panel.set_title(TITLES[axis])
    fixed = {name: values for name in LETTERS if len(values := {size[name] for size in sizes}) == 1}
    panel.set_xlabel(", ".join(f"{LETTERS[name]} = {values.pop():,}" for name, values in fixed.items()))


def _short(number: float) -> str:
    """1000 as "1k", 1000000 as "1M"; others in full."""
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if number >= unit and number % unit == 0:
            return f"{number / unit:.0f}{letter}"
    return f"{number:.0f}"
