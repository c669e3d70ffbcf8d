"""Writing an evaluation: JSON, CSV and a report."""

import csv
import io
import json
import math
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..common.atomic_files import check_folder_place, write_text
from ..common.extras import MissingExtraError
from ..common.run_folder import FIGURES, REPORT, refuse_links, remove_evaluation_report
from ..evaluation import Evaluation
from ..evaluation.quantities import GEOMETRY
from ._evaluated import Evaluated

FIGURE_FIELDS = ("task", "name", "value", "unit", "interval", "threshold", "note")


def check_evaluation_folder(out: Path) -> None:
    """Check before anything is computed that an evaluation can be written to `out`.

    Raises:
        FileExistsError: it holds a report or a table that is not an evaluation's, which would be replaced.
        ValueError: its folder of figures is a link.
        OSError: it cannot be written to; the error names it, the reason and the fix.
    """
    check_folder_place(out)
    refuse_links(out, FIGURES)
    for name in (REPORT, "evaluation.csv"):
        if (out / name).exists() and not (out / "evaluation.json").exists():
            raise FileExistsError(f"{out / name} does not belong to an evaluation: write to another folder (--out)")


def write_evaluation(out: str | os.PathLike[str], evaluated: Evaluated) -> list[Path]:
    """Write evaluation.json, evaluation.csv and report.html with its figures, in place of an earlier evaluation's.

    Without the packages that draw, the report is left out and a warning says so.

    Args:
        out: a folder; made when it is missing.
        evaluated: the evaluation with its images and names.

    Returns:
        the paths.

    Raises:
        FileExistsError, ValueError, OSError: as `check_evaluation_folder`.
    """
    out = Path(out)
    check_evaluation_folder(out)
    evaluation = evaluated.evaluation
    written = [out / "evaluation.json", out / "evaluation.csv"]
    write_text(written[0], json.dumps(_numbers(evaluated), indent=2, allow_nan=False) + "\n")
    write_text(written[1], _csv(evaluation))
    try:
        from ..plots import write_evaluation_report
    except MissingExtraError as error:
        remove_evaluation_report(out)
        warnings.warn(f"report.html and its figures are left out: {error}", stacklevel=2)
        return written
    report = write_evaluation_report(
        out,
        title=evaluated.title,
        evaluation=evaluation,
        details=evaluation.details,
        images=evaluated.images,
        names=evaluated.names,
        subject_names=evaluated.subject_names,
    )
    return [*written, report]


def _numbers(evaluated: Evaluated) -> dict[str, Any]:
    evaluation = evaluated.evaluation
    parts = {
        name: None if part is None else asdict(part)
        for name, part in (
            ("verification", evaluation.verification),
            ("intervals", evaluation.intervals),
            ("folds", evaluation.folds),
            ("identification", evaluation.identification),
            ("retrieval", evaluation.retrieval),
            ("geometry", evaluation.geometry),
        )
    }
    if parts["intervals"] is not None:
        del parts["intervals"]["figures"]  # they are those of the verification
    if parts["geometry"] is not None:  # angles are in degrees wherever they are written
        parts["geometry"] = dict(map(_in_degrees, parts["geometry"].items()))
    numbers = {
        "title": evaluated.title,
        "samples": evaluation.samples or None,
        "pairs": evaluation.pairs,
        "subjects": evaluation.subjects,
        "unknown": evaluation.unknown,
        "zero_rows": evaluation.zero_rows,
        "figures": [{name: getattr(figure, name) for name in FIGURE_FIELDS} for figure in evaluation.figures()],
        **parts,
    }
    finite: dict[str, Any] = _finite(numbers)
    return finite


def _in_degrees(item: tuple[str, float | None]) -> tuple[str, float | None]:
    """A field of `Geometry` as it is written: angles in degrees, with the unit in the name."""
    name, value = item
    if name not in GEOMETRY or GEOMETRY[name].unit != "degrees":
        return name, value
    return f"{name}_degrees", GEOMETRY[name].figure(value).value


def _finite(value: Any) -> Any:
    """JSON has no infinity: it is written as text."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _csv(evaluation: Evaluation) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["task", "figure", "value", "unit", "low", "high", "threshold", "note"])
    for figure in evaluation.figures():
        value = "" if figure.value is None else repr(figure.value)
        ends = ["", ""] if figure.interval is None else [repr(end) for end in figure.interval]
        threshold = "" if figure.threshold is None else repr(figure.threshold)
        lines.writerow([figure.task, figure.name, value, figure.unit, *ends, threshold, figure.note])
    return text.getvalue()
