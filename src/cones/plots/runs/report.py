"""report.html: one file that holds the numbers and the figures of a run, or of several side by side."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...common.atomic_files import write_text
from ...common.run_folder import REPORT, read_comparison
from ...engine.dense import logits
from .._page import Section, render, section
from .._text import finite
from ..losses.curves import curve_figure
from ._run import FinishedRun, read_finished_run
from ._table import Row, columns_of, headline, table, what_one_sees
from .angles import angle_figure, angle_grid
from .features import feature_figure
from .grid import Panel, grid_figure
from .learning import learning_figure
from .norms import norm_figure
from .up_to_date import mark_of

ANGLES = "Angles from features to their own class direction and to the nearest other one."
"""Text under figures of angles."""


@dataclass(frozen=True)
class Page:
    """Values for the template; empty parts are left out."""

    title: str
    lead: Sequence[str]
    sections: Sequence[Section]
    subtitle: str = ""
    numbers: Sequence[tuple[str, str]] = ()
    grid: Section | None = None
    grid_text: str = ""
    headings: Sequence[str] = ()
    rows: Sequence[Row] = ()
    config: str = ""
    mark: str = ""


def write_run_report(run: Path, *, trust: bool = False) -> Path:
    """Write RUN/figures/*.svg, *.png and RUN/report.html for one run.

    Args:
        run: a run's folder, with config.toml, metrics.jsonl, features.safetensors and summary.json.
        trust: whether a user-defined margin, which the run's files name, may be imported.

    Returns:
        The path of report.html, one file that refers to nothing outside itself.

    Raises:
        FileNotFoundError: a file of the run is missing.
        ValueError: a file of the run is broken, or names user code, and trust is False.
    """
    read = read_finished_run(run, trust=trust)
    sets = [read.train] if read.test_classes else [read.train, read.test]  # unseen classes have no direction to draw
    title = read.title
    sections = [
        section(
            run,
            "features",
            "Features",
            "A dot is an image, a line a class direction"
            + (", the sectors are the predicted classes." if read.weight.shape[1] == 2 else "."),
            lambda n: feature_figure(sets, read.weight, read.classes, title=title, logits=_predictor(read), columns=n),
            columns=2,
        ),
        section(
            run,
            "target",
            "Target logit",
            "Logit of the own class under the loss, against the angle to it; the plain cosine is dotted.",
            lambda n: curve_figure([read.margin], columns=n),
            columns=2,
        ),
        section(
            run,
            "angles",
            "Angles",
            ANGLES,
            lambda n: angle_figure(sets, read.weight, columns=n),
            columns=2,
        ),
        section(
            run,
            "norms",
            "Norms",
            "Feature norms by class: boxes span the quartiles, whiskers 1 % to 99 %.",
            lambda n: norm_figure(sets, read.classes, columns=n),
            columns=2,
        ),
    ]
    if any(finite(record.get("epoch")) is not None for record in read.metrics):
        validated = any(record.get("kind") == "validation" for record in read.metrics)
        sections.append(
            section(
                run,
                "learning",
                "Learning",
                "Loss, accuracy and target cosine during the run, and scheduled values."
                + (" A ring marks the epoch with the best validation." if validated else ""),
                lambda n: learning_figure(read.metrics, columns=n),
                columns=4,
            )
        )
    page = Page(
        title=read.name,
        subtitle=read.objective,
        lead=[f"Data: {read.summary['data']}"] if read.summary.get("data") else [],
        numbers=headline(read),
        sections=sections,
        config=read.config,
        mark=mark_of(run),
    )
    return _write(run / REPORT, page)


def write_comparison_report(folder: str | os.PathLike[str], *, trust: bool = False) -> Path:
    """Write FOLDER/figures/*.svg, *.png and FOLDER/report.html for the runs that comparison.json lists.

    Args:
        folder: holds comparison.json, {"title": str, "runs": [folder names]}, and the runs' folders.
        trust: whether user-defined margins, which the runs' files name, may be imported.

    Returns:
        The path of report.html; it links to each run's own report that is there already.

    Raises:
        FileNotFoundError: comparison.json or a file of a run is missing.
        ValueError: a file is broken, or the runs do not have the same classes.
    """
    folder = Path(folder)
    listing = read_comparison(folder)
    runs = [read_finished_run(folder / name, trust=trust) for name in listing.runs]
    for other in runs[1:]:
        if other.classes != runs[0].classes:
            raise ValueError(
                f"{other.folder} has {len(other.classes)} classes that are not those of {runs[0].folder} "
                f"({len(runs[0].classes)}): compare runs on the same data"
            )
    shown = runs[0].shown.name
    panels = [_panel(run) for run in runs]
    titles = [panel.title for panel in panels]
    angles = [(run.shown, run.weight) for run in runs]
    grid = section(
        folder,
        "grid",
        "",
        "",
        lambda n: grid_figure(panels, runs[0].classes, columns=n),
        columns=4,
    )
    sections = [
        section(
            folder,
            "target",
            "Target logits",
            "Logit of the own class under each loss, against the angle to it; the plain cosine is dotted.",
            lambda n: curve_figure([run.margin for run in runs], columns=n),
            columns=4,
        ),
        section(
            folder,
            "angles",
            f"Angles on the {shown} set",
            ANGLES,
            lambda n: angle_grid(angles, titles, columns=n),
            columns=4,
        ),
    ]
    columns = columns_of(runs)
    page = Page(
        title=listing.title,
        lead=what_one_sees(runs),
        grid=grid,
        grid_text=f"Features of the {shown} set under every loss, with class directions and decision regions",
        headings=[column.heading for column in columns],
        rows=table(runs, columns),
        sections=sections,
        mark=mark_of(folder),
    )
    return _write(folder / REPORT, page)


def _panel(run: FinishedRun) -> Panel:
    accuracy = finite(run.summary.get("test_accuracy"))
    return Panel(run.title, run.shown, run.weight, accuracy, _predictor(run))


def _predictor(run: FinishedRun) -> Callable[[Tensor], Tensor] | None:
    """Label-free logits of the run's head, where features can be drawn in their own plane."""
    if run.weight.shape[1] != 2:
        return None
    return lambda features: logits(features, run.weight, run.margin, bias=run.bias)


def _write(path: Path, page: Page) -> Path:
    write_text(path, render("report.html.j2", vars(page)))
    return path
