"""Curves of a run over the epochs: loss, accuracy, target cosine, validation, and whatever was scheduled."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .._palette import INK, TEN, TEST, TRAIN
from .._style import new_figure, panel_width, style
from .._text import finite

Record = Mapping[str, object]
COLORS = (TEN[3], TEN[2], TEN[0], TEN[6], TEN[5])


def learning_figure(metrics: Sequence[Record], *, columns: int = 4) -> Figure:
    """Draw the records of `metrics.jsonl`: loss, accuracy, target cosine, validation, learning rate, scheduled margins.

    A quantity that no record holds gets no panel, nor does a margin's field that never changes.

    Args:
        metrics: records with "kind" "train", "test" or "validation" and "epoch"; numbers that are missing or not finite
            are left out of their line.
        columns: panels in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: when no record holds a number to draw.
    """
    train = [record for record in metrics if record.get("kind") == "train"]
    test = [record for record in metrics if record.get("kind") == "test"]
    validation = [record for record in metrics if record.get("kind") == "validation"]
    panels = [_loss(train), _accuracy(train, test), _cosine(train), _validation(validation), _schedule(train)]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        raise ValueError("metrics holds no numbers to draw, expected records with an epoch and a loss or accuracy")
    with style():
        width = panel_width(columns) * min(columns, len(panels))
        rows = math.ceil(len(panels) / columns)
        columns = math.ceil(len(panels) / rows)  # five panels are three and two, not four and one
        figure = new_figure(max(width, 4.1), 2.7 * rows)
        spots = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, (title, lines) in zip(spots, panels, strict=False):
            _draw(axes, title, lines)
            if title == "validation":
                _mark_best(axes, validation)
        for spare in spots[len(panels) :]:
            spare.set_axis_off()
    return figure


Line = tuple[str, str, list[tuple[float, float]]]  # name, colour, (epoch, value)
Panel = tuple[str, list[Line]]


def _loss(train: Sequence[Record]) -> Panel:
    lines = [("loss", TRAIN, _series(train, "loss"))]
    names = _names(train, "terms")
    lines += [(name, color, _nested(train, "terms", name)) for name, color in zip(names, COLORS, strict=False)]
    return "loss", [line for line in lines if line[2]]


def _accuracy(train: Sequence[Record], test: Sequence[Record]) -> Panel:
    # the accuracy of whole epochs where it was measured, else that of the running batches
    whole = _series(test, "train_accuracy")
    lines = [("train", TRAIN, whole or _series(train, "accuracy")), ("test", TEST, _series(test, "accuracy"))]
    return "accuracy", [line for line in lines if line[2]]


def _cosine(train: Sequence[Record]) -> Panel:
    line = ("train", TRAIN, _series(train, "target_cosine"))
    return "cosine to the own class", [line] if line[2] else []


def _validation(records: Sequence[Record]) -> Panel:
    named = ("TAR at FAR 0.001", TEN[4], "tar"), ("rank 1", TEN[2], "rank_1"), ("EER", TEN[3], "eer")
    lines = [(name, color, _series(records, key)) for name, color, key in named]
    return "validation", [line for line in lines if line[2]]


def _schedule(train: Sequence[Record]) -> Panel:
    """Everything on a schedule, each over its own largest value, so that one panel holds them all."""
    rate = ("learning rate", TRAIN, _series(train, "learning_rate"))
    fields = [(name, _nested(train, "margin", name)) for name in _names(train, "margin")]
    moving = [(name, series) for name, series in fields if len({value for _, value in series}) > 1]
    lines = [rate] + [(name, color, series) for (name, series), color in zip(moving, COLORS, strict=False)]
    shown = []
    for name, color, series in lines:
        top = max((abs(value) for _, value in series), default=0.0)
        if top > 0:
            shown.append((f"{name} (1 = {top:.3g})", color, [(epoch, value / top) for epoch, value in series]))
    return "schedule", shown


def _draw(axes: Axes, title: str, lines: Sequence[Line]) -> None:
    for name, color, series in lines:
        epochs, values = zip(*series, strict=True)
        axes.plot(epochs, values, color=color, linewidth=1.5, label=name, marker="o" if len(series) < 2 else None)
    axes.set_title(title)
    axes.set_xlabel("epoch")
    lowest = min(value for _, _, series in lines for _, value in series)
    if title == "loss":
        axes.set_ylim(bottom=min(0.0, lowest))
    if title in ("accuracy", "validation"):
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    if title == "schedule":
        axes.set_ylim(top=1.05 + 0.14 * len(lines))  # room for the names above the lines
    if len(lines) > 1 or title == "schedule":
        axes.legend(fontsize=7.5, handlelength=1.2, loc="upper left" if title == "schedule" else "best")


def _mark_best(axes: Axes, validation: Sequence[Record]) -> None:
    """Put a ring around the figure that chose the best epoch, and ticks at whole epochs."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    key = str(validation[-1].get("best_by"))
    series, highest = _series(validation, key), key != "eer"
    if series:
        epoch, value = max(series, key=lambda point: (point[1] if highest else -point[1], -point[0]))
        axes.plot(epoch, value, "o", markersize=8, markerfacecolor="none", markeredgecolor=INK)


def _series(records: Sequence[Record], name: str) -> list[tuple[float, float]]:
    pairs = [(finite(record.get("epoch")), finite(record.get(name))) for record in records]
    return [(epoch, value) for epoch, value in pairs if epoch is not None and value is not None]


def _nested(records: Sequence[Record], group: str, name: str) -> list[tuple[float, float]]:
    flat = []
    for record in records:
        values = record.get(group)
        flat.append({"epoch": record.get("epoch"), name: values.get(name) if isinstance(values, Mapping) else None})
    return _series(flat, name)


def _names(records: Sequence[Record], group: str) -> list[str]:
    """The keys that occur in a nested group, in order of appearance."""
    groups = [record.get(group) for record in records]
    return list(dict.fromkeys(str(name) for values in groups if isinstance(values, Mapping) for name in values))
