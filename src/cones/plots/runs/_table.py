"""The numbers of a report as text: one row a run, the best of a column marked."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...common.run_folder import REPORT
from ...evaluation.quantities import GEOMETRY
from .._text import DASH, degrees, finite, number, percent
from ._run import FinishedRun


@dataclass(frozen=True)
class Column:
    """A number of a run: its heading, its source, its format, and which end of it is the better."""

    heading: str
    value: Callable[[FinishedRun], object]
    write: Callable[[object], str]
    best: Literal["high", "low"] | None = None


@dataclass(frozen=True)
class Cell:
    text: str
    best: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    objective: str
    link: str | None
    cells: tuple[Cell, ...]


def in_summary(name: str) -> Callable[[FinishedRun], object]:
    return lambda run: run.summary.get(name)


def in_geometry(name: str, side: str = "geometry") -> Callable[[FinishedRun], object]:
    def value(run: FinishedRun) -> object:
        geometry = run.summary.get(side)
        return geometry.get(name) if isinstance(geometry, Mapping) else None

    return value


def in_validation(key: str) -> Callable[[FinishedRun], object]:
    def value(run: FinishedRun) -> object:
        validation = run.summary.get("validation")
        last = validation.get("last") if isinstance(validation, Mapping) else None
        return last.get(key) if isinstance(last, Mapping) else None

    return value


def in_train_geometry(name: str) -> Callable[[FinishedRun], object]:
    return in_geometry(name, "train_geometry")


def seconds(value: object) -> str:
    known = finite(value)
    if known is None:
        return DASH
    return f"{known:.1f} s" if known < 100 else f"{int(known) // 60} min {int(known) % 60:02d} s"


def geometry_column(key: str, best: Literal["high", "low"] | None = None) -> Column:
    """A figure of the test features, by the name and in the unit of the table of figures."""
    quantity = GEOMETRY[key]
    return Column(quantity.name, in_geometry(key), degrees if quantity.unit == "degrees" else number, best)


COLUMNS = (
    Column("train accuracy", in_summary("train_accuracy"), percent, "high"),
    Column("test accuracy", in_summary("test_accuracy"), percent, "high"),
    geometry_column("mean_intra_angle", "low"),
    geometry_column("mean_inter_angle", "high"),
    geometry_column("min_inter_angle", "high"),
    geometry_column("fisher_ratio", "high"),
    geometry_column("angular_fisher_score", "low"),
    Column(
        "train images with p\u00a0>\u00a00.99", in_train_geometry("confident_share"), lambda value: percent(value, 1)
    ),
    Column("mean gradient they get", in_summary("confident_gradient"), number),
    geometry_column("mean_norm"),
    Column("time", in_summary("seconds"), seconds),
)

VALIDATION = (
    Column("validation TAR at FAR 0.001", in_validation("tar"), percent, "high"),
    Column("validation EER", in_validation("eer"), percent, "low"),
    Column("validation rank 1", in_validation("rank_1"), percent, "high"),
)
"""Figures of the last validation, after the accuracies where a run has them."""

SPEED = (
    Column("images a second", in_summary("images_per_second"), number),
    Column("parameters", in_summary("parameters"), number),
)


def columns_of(runs: Sequence[FinishedRun]) -> tuple[Column, ...]:
    """The columns of a table of runs; figures of validation are among them where a run has them."""
    validated = [column for column in VALIDATION if any(finite(column.value(run)) is not None for run in runs)]
    return (*COLUMNS[:2], *validated, *COLUMNS[2:])


def table(runs: Sequence[FinishedRun], columns: Sequence[Column]) -> list[Row]:
    """One row a run; a value is best when no other run's, as it is written, is better."""
    texts = [[column.write(column.value(run)) for column in columns] for run in runs]
    best = [_best(column, runs, [row[place] for row in texts]) for place, column in enumerate(columns)]
    rows = []
    for run, row in zip(runs, texts, strict=True):
        cells = tuple(Cell(text, text in mark) for text, mark in zip(row, best, strict=True))
        link = f"{run.folder.name}/{REPORT}" if (run.folder / REPORT).is_file() else None
        rows.append(Row(run.name, run.title, link, cells))
    return rows


def _best(column: Column, runs: Sequence[FinishedRun], texts: Sequence[str]) -> set[str]:
    """Return the text of the best value, so that equal texts are marked alike; empty if all values are equal."""
    values = [(finite(column.value(run)), text) for run, text in zip(runs, texts, strict=True)]
    known = [(value, text) for value, text in values if value is not None]
    if column.best is None or len({text for _, text in known}) < 2:
        return set()
    return {max(known)[1] if column.best == "high" else min(known)[1]}


def headline(run: FinishedRun) -> list[tuple[str, str]]:
    """Return the numbers at the top of a run's report, by heading."""
    return [(column.heading, column.write(column.value(run))) for column in (*columns_of([run]), *SPEED)]


def what_one_sees(runs: Sequence[FinishedRun]) -> list[str]:
    """Sentences about a comparison, from its numbers; a sentence whose numbers are missing is left out."""
    said = [
        "Every disc shows the same network on the same data; only the loss differs. "
        f"A dot is one {runs[0].shown.name} image, a line a class direction from the origin to the rim"
        + (", and the faint sectors are the predicted classes." if _planar(runs) else ".")
    ]
    within, apart, right = COLUMNS[2], COLUMNS[4], COLUMNS[1]
    wide, narrow = _extreme(runs, within, max), _extreme(runs, within, min)
    if wide and narrow and wide is not narrow:
        said.append(
            f"The widest cones are those of {_called(wide, runs)}, whose features lie on average "
            f"{_written(within, wide)} from the direction of their class; {_called(narrow, runs)} narrows that to "
            f"{_written(within, narrow)}."
        )
    far = _extreme(runs, apart, max)
    if far and len(runs) > 1:
        said.append(f"The two closest classes are farthest apart with {_called(far, runs)}, at {_written(apart, far)}.")
    best = _extreme(runs, right, max)
    if best and len(runs) > 1:
        said.append(f"The accuracy on test images is highest with {_called(best, runs)}: {_written(right, best)}.")
    return said


def _planar(runs: Sequence[FinishedRun]) -> bool:
    return all(run.weight.shape[1] == 2 for run in runs)


def _extreme(runs: Sequence[FinishedRun], column: Column, pick: Callable[..., FinishedRun]) -> FinishedRun | None:
    known = [run for run in runs if finite(column.value(run)) is not None]
    return pick(known, key=lambda run: finite(column.value(run)) or 0.0) if known else None


def _called(run: FinishedRun, runs: Sequence[FinishedRun]) -> str:
    """The loss without its numbers where that tells it apart from the other runs."""
    bare = [re.sub(r"\([^()]*\)", "", other.title) for other in runs]
    name = bare[list(runs).index(run)]
    return name if bare.count(name) == 1 else run.title


def _written(column: Column, run: FinishedRun) -> str:
    return column.write(column.value(run))
