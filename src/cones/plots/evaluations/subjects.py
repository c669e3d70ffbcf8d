"""Which subjects the errors fall on: often a few make most of them."""

# S subjects.

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...evaluation import VerificationDetails
from .._palette import GENUINE, IMPOSTOR, INK, MUTED
from .._style import half_width, new_figure, percents, say, style
from .._text import literal, number, shorten

WORST = 20
BAR, CURVE = 0.165, 2.2  # heights in inches
LETTERS = 24

SubjectNames = Sequence[str] | Mapping[int, str]
"""`names[label]` is the subject's name."""


def subject_figure(details: VerificationDetails, names: SubjectNames | None = None, *, columns: int = 2) -> Figure:
    """Draw the share of false rejects and of false accepts of each subject, at the threshold.

    The twenty worst subjects stand as bars with their names; a curve of all subjects, the worst first, shows whether
    the errors fall on few or on many.

    Args:
        details: of a verification.
        names: of the labels in `details.subjects`, by label; None for the labels themselves.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no subjects, or a label without a name.

    Reference: Doddington et al., "Sheep, goats, lambs and wolves", ICSLP 1998, on subjects that make more errors.
    """
    if len(details.subjects) == 0:
        raise ValueError("details has no subjects, expected at least one to draw")
    called = names_of_subjects(details, names)
    kinds = (("false rejects", details.false_rejects, GENUINE), ("false accepts", details.false_accepts, IMPOSTOR))
    bars = BAR * max(1, *(len(worst(shares, WORST)) for _, shares, _ in kinds)) + 0.7
    columns = min(columns, 2)
    heights = [bars, CURVE] * (2 // columns)
    with style():
        figure = new_figure(half_width(columns) * columns, sum(heights))
        spots = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
        # the curve of a kind of errors stands under its bars
        columns_of = spots.T if columns == 2 else spots[:, 0].reshape(2, 2)
        for (upper, lower), (title, shares, color) in zip(columns_of, kinds, strict=True):
            _draw_worst(upper, title, shares, called, color)
            _draw_all(lower, title, shares, color)
    return figure


def names_of_subjects(details: VerificationDetails, names: SubjectNames | None) -> list[str]:
    """The names of `details.subjects`, in their order."""
    labels = details.subjects.tolist()
    if names is None:
        return [str(label) for label in labels]
    try:
        return [names[label] for label in labels]
    except LookupError as error:
        missing = next(label for label in labels if not _has(names, label))
        raise ValueError(
            f"subject names has {len(names)} entries and none for label {missing}: expected names[label] for each "
            "label of the evaluated samples"
        ) from error


def worst(shares: Tensor, most: int) -> list[int]:
    """Places of the highest shares (S,) above 0, highest first; of equal ones the first."""
    order = shares.nan_to_num(0.0).argsort(descending=True, stable=True)[:most]
    return [place for place in order.tolist() if shares[place] > 0]


def _has(names: SubjectNames, label: int) -> bool:
    try:
        names[label]
    except LookupError:
        return False
    return True


def _draw_worst(axes: Axes, title: str, shares: Tensor, names: Sequence[str], color: str) -> None:
    places = worst(shares, WORST)
    if not places:
        axes.set_title(title)
        say(axes, "no subject has any")
        return
    axes.set_title(f"{title}: the {len(places)} worst subjects" if len(places) > 1 else f"{title}: the worst subject")
    values = shares[places].tolist()
    axes.barh(range(len(places)), values, color=color, alpha=0.75, height=0.74)
    for line, value in enumerate(values):
        axes.annotate(
            f"{number(100 * value)} %",
            (value, line),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=INK,
        )
    axes.set_yticks(
        range(len(places)), [literal(shorten(names[place], LETTERS)) for place in places], fontsize=7.5, color=INK
    )
    axes.set_ylim(max(len(places), 2) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * values[0])  # room for the number beside the longest bar
    axes.xaxis.set_major_locator(MaxNLocator(5))
    percents(axes.xaxis)
    axes.grid(visible=False)  # the numbers stand beside the bars


def _draw_all(axes: Axes, title: str, shares: Tensor, color: str) -> None:
    known = shares[~shares.isnan()].sort(descending=True).values
    axes.set_xlabel("subjects, the worst first")
    if len(known) == 0:
        say(axes, f"n/a: no subject has pairs that could be {title}")
        return
    edges = torch.arange(len(known) + 1, dtype=torch.float64)
    axes.stairs(known, edges, fill=True, color=color, alpha=0.35, linewidth=0)
    axes.stairs(known, edges, color=color, linewidth=1.3)
    axes.axhline(known.mean().item(), color=MUTED, linewidth=1.1, linestyle=(0, (4, 2)))
    free = int((known == 0).sum())
    axes.set_title(
        f"{free:,} of {len(known):,} subjects without\nmean {number(100 * known.mean().item())} % (dashed)",
        fontsize=8.5,
        fontweight="normal",
    )
    axes.set_xlim(0, len(known))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    percents(axes.yaxis)
