"""Who is it: the cumulative match curve, and identification with strangers among the probes."""

# R ranks.

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...evaluation import Identification, OpenSet
from ...evaluation.figures_of import NO_MATE
from .._palette import TEN, TRAIN
from .._style import half_width, new_figure, percents, say, style
from .._text import wrap

HEIGHT = 3.3


def cmc_figure(identification: Identification, *, columns: int = 2) -> Figure:
    """Draw the share of probes whose own subject is among the first r of the gallery, over the rank r.

    Where open-set figures were asked for there is a second panel: DIR, the share that is found first and above the
    threshold, over the false alarm rate that fixes the threshold, on a logarithmic axis. Bars are the intervals. What
    is refused is said in place of the curve, or under it.

    Args:
        identification: as `cones.evaluation.identification` returns it.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.
    """
    open_set = identification.open_set
    columns = min(columns, 2 if open_set else 1)
    lines = (2 if open_set else 1) // columns
    with style():
        figure = new_figure(half_width(columns) * columns, HEIGHT * lines)
        panels = figure.subplots(lines, columns, squeeze=False).flatten()
        _draw_cmc(panels[0], identification)
        if open_set:
            _draw_open_set(panels[1], open_set)
    return figure


def _draw_cmc(axes: Axes, identification: Identification) -> None:
    axes.set_title("closed set: CMC")
    axes.set_xlabel("rank")
    axes.set_ylabel("identified")
    if identification.cmc is None:
        say(axes, f"n/a: {NO_MATE}")
        return
    ranks = range(1, len(identification.cmc) + 1)
    axes.set_xlim(0.6, max(len(ranks), 2) + 0.2)
    axes.plot(ranks, identification.cmc, color=TRAIN, marker="o", markersize=4, clip_on=False)
    if identification.rank_1_interval is not None:
        _bar(axes, 1, identification.cmc[0], identification.rank_1_interval, TRAIN)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    _share_axis(axes)


def _draw_open_set(axes: Axes, open_set: Sequence[OpenSet]) -> None:
    axes.set_title("open set: DIR")
    axes.set_xlabel("false alarm rate FAR")
    axes.set_ylabel("detected and identified")
    known = sorted((at.far, at.dir, at.interval) for at in open_set if at.dir is not None)
    # several rates are often refused for one reason
    reasons = list(dict.fromkeys(f"n/a: {at.reason}" for at in open_set if at.dir is None))
    if not known:
        say(axes, wrap("\n".join(reasons), 40))
        return
    axes.set_xscale("log")
    axes.set_xlim(known[0][0] / 1.6, min(1.6 * known[-1][0], 1.6))  # before the points: one alone has no width
    axes.plot([far for far, _, _ in known], [dir for _, dir, _ in known], color=TEN[3], marker="o", markersize=4)
    for far, dir, interval in known:
        if interval is not None:
            _bar(axes, far, dir, interval, TEN[3])
    _share_axis(axes)
    if reasons:
        axes.set_xlabel("false alarm rate FAR\n" + wrap("\n".join(reasons), 58))


def _bar(axes: Axes, place: float, value: float, interval: tuple[float, float], color: str) -> None:
    # a percentile interval need not hold the figure itself
    below, above = max(value - interval[0], 0.0), max(interval[1] - value, 0.0)
    axes.errorbar(place, value, yerr=[[below], [above]], color=color, capsize=3, elinewidth=1.2, clip_on=False)


def _share_axis(axes: Axes) -> None:
    low, high = axes.get_ylim()
    low = max(0.0, low)
    axes.set_ylim(low, min(high, 1 + 0.03 * (1 - low)))
    percents(axes.yaxis)
