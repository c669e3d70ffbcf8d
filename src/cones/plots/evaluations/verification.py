"""Verification: ROC, DET, and the scores of pairs of one subject and of two."""

# M operating points, B bins of scores.

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...evaluation import VerificationDetails
from ...evaluation.figure import percent, threshold_text
from .._legend import legend_below
from .._palette import GENUINE, IMPOSTOR, INK
from .._style import half_width, new_figure, percents, style
from .._text import literal
from ._curves import Curves, by_name, colors_of, draw_dot, pairs, smallest_far, visible

WIDTH, HEIGHT = 5.2, 4.4


def roc_figure(details: Curves) -> Figure:
    """Draw the true accept rate over the false accept rate, on a logarithmic axis of the latter.

    A point with FAR 0 has no place on that axis and is left out; the axis begins at the smallest rate that is reached.
    The band is the interval of TAR, and the dot the operating point at the threshold; one that accepts no impostor
    is an arrow at the edge.

    Args:
        details: one `VerificationDetails`, or several by name.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no details, or for details that lack genuine or impostor pairs.

    Reference: Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.
    """
    named = by_name(details)
    # at least a decade, where next to no rates are reached
    start = min(0.1, *(smallest_far(one) for one in named.values()))
    with style():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlim(start, 1)
        for (name, one), color in zip(named.items(), colors_of(named), strict=True):
            _draw_roc(axes, name, one, color, start)
        axes.set_ylim(top=1 + 0.03 * (1 - axes.get_ylim()[0]))
        percents(axes.yaxis)
        axes.set_xlabel("false accept rate FAR")
        axes.set_ylabel("true accept rate TAR")
        legend_below(figure)
    return figure


def score_figure(details: VerificationDetails, *, columns: int = 2) -> Figure:
    """Draw the distributions of the scores of genuine and of impostor pairs, and the threshold between them.

    The first panel has densities, each with area 1, so that the few genuine pairs are seen beside the many impostors.
    The second has numbers of pairs on a logarithmic axis, where the few that are mistaken are seen.

    Args:
        details: of a verification.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for details without pairs.
    """
    if sum(pairs(details)) == 0:
        raise ValueError("details has no pairs in its bins, expected at least one to draw")
    columns = min(columns, 2)
    lines = 2 // columns
    with style():
        figure = new_figure(half_width(columns) * columns, 2.7 * lines + 0.5)
        left, right = figure.subplots(lines, columns, squeeze=False).flatten()
        for name, counts, color in (
            ("genuine", details.genuine, GENUINE),
            ("impostor", details.impostors, IMPOSTOR),
        ):
            if int(counts.sum()) > 0:
                label = f"{int(counts.sum()):,} {name} pairs"
                _fill(left, counts / (counts.sum() * details.edges.diff()), details.edges, color, label)
                _fill(right, counts.double(), details.edges, color, None)
        left.set_title("density")
        right.set_title("pairs in a bin")
        right.set_yscale("log")
        right.set_ylim(bottom=0.7)  # a bin of one pair is above the axis
        left.set_ylim(bottom=0)
        for axes in (left, right):
            _draw_threshold(axes, details)
            axes.set_xlim(*_range(details))
            axes.set_xlabel("score")
        legend_below(figure)
    return figure


def _draw_roc(axes: Axes, name: str, details: VerificationDetails, color: str, start: float) -> None:
    # the point at the start of the axis is the last one up to it
    first = int((details.far <= start).sum()) - 1
    far, tar = details.far[first:].clamp_min(start), details.tar[first:]
    drawn = visible(far, tar)
    far, tar = far[drawn], tar[drawn]
    axes.plot(far, tar, color=color, label=literal(name) or "ROC")
    if details.band is not None:
        low, high = details.band[first:][drawn].T
        label = None if name else f"{100 * details.confidence:g} % interval"
        axes.fill_between(far, low, high, color=color, alpha=0.16, linewidth=0, label=label)
    reached, accepted = details.reached_far, details.reached_tar
    label = None if name else f"{_where(details)}: TAR {percent(accepted)} at FAR {reached:.3g}"
    draw_dot(axes, max(reached, start), accepted, color, label, marker="o" if reached > 0 else "<")


def _fill(axes: Axes, values: Tensor, edges: Tensor, color: str, label: str | None) -> None:
    axes.stairs(values, edges, fill=True, color=color, alpha=0.5, linewidth=0, label=label)
    axes.stairs(values, edges, color=color, linewidth=1.0)


def _draw_threshold(axes: Axes, details: VerificationDetails) -> None:
    if abs(details.threshold) < float("inf"):  # inf accepts nothing
        axes.axvline(
            details.threshold,
            color=INK,
            linewidth=1.2,
            linestyle=(0, (4, 2)),
            label=f"{_where(details)}, FAR {details.threshold_far:g}",
        )


def _where(details: VerificationDetails) -> str:
    return f"threshold {threshold_text(details.threshold)}"


def _range(details: VerificationDetails) -> tuple[float, float]:
    """The bins that hold pairs, and the threshold, with some room around them."""
    held = (details.genuine + details.impostors).nonzero()[:, 0]
    ends = [details.edges[held[0]].item(), details.edges[held[-1] + 1].item()]
    if abs(details.threshold) < float("inf"):
        ends.append(details.threshold)
    room = 0.02 * (max(ends) - min(ends)) or 0.5  # all scores may be equal
    return min(ends) - room, max(ends) + room
