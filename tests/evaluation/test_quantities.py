"""The table of figures: text, CSV, JSON and HTML show its entries, and one new line adds a figure."""

import ast
import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch

import cones
from cones.evaluation import EvaluationOptions, Geometry, Identification, Retrieval, Verification, VerificationIntervals
from cones.evaluation.figure import Quantity
from cones.evaluation.quantities import FOLDS, GEOMETRY, IDENTIFICATION, RETRIEVAL, VERIFICATION
from cones.evaluation.search import OpenSet
from cones.evaluation.verification import FoldAccuracy, _figures, _intervals, verification, verification_intervals
from cones.open_set import Evaluated, write_evaluation
from cones.plots._page import Section
from cones.plots.evaluations import evaluation_report
from tests.narrowing import not_none

ROOT = Path(cones.__file__).parent


@pytest.fixture
def kept_apart(monkeypatch):
    """A figure that is added in two places: fields and computation in `_figures`, name and unit in the table."""

    def extended(of, kind):
        return dataclasses.make_dataclass(of.__name__, [("kept_apart", kind, None)], bases=(of,), frozen=True)

    monkeypatch.setattr(_figures, "Verification", extended(Verification, float | None))
    monkeypatch.setattr(_figures, "VerificationIntervals", extended(VerificationIntervals, tuple | None))
    monkeypatch.setattr(_intervals, "VerificationIntervals", _figures.VerificationIntervals)
    figure = _figures.PointFigure(lambda points, settings: (points.tar - points.far).max().item())
    monkeypatch.setitem(_figures.POINT_FIGURES, "kept_apart", figure)
    quantity = Quantity("verification", "kept_apart", "Youden's J", "share", "at the best threshold", headline=True)
    monkeypatch.setitem(VERIFICATION, "kept_apart", quantity)


@pytest.mark.usefixtures("kept_apart")
def test_a_figure_added_in_two_places_is_shown_everywhere(tmp_path, monkeypatch):
    for name in ("section", "single_section"):  # the pictures of the report take seconds
        monkeypatch.setattr(evaluation_report, name, lambda *_, **__: Section("", "", "", ""))
    same = torch.arange(60) % 2 == 0
    scores = same + torch.randn(60, generator=torch.Generator().manual_seed(0))
    evaluation = EvaluationOptions(far=(0.1,), resamples=20).evaluate_pairs(scores, same)
    figure = next(figure for figure in evaluation.figures() if figure.name == "Youden's J")
    assert figure.value == vars(evaluation.verification)["kept_apart"]
    low, high = not_none(figure.interval)
    assert 0 < low <= not_none(figure.value) <= high <= 1
    write_evaluation(tmp_path, Evaluated("pairs", evaluation))

    assert re.search(rf"Youden's J +{figure.value_text} +{figure.interval_text}", str(evaluation))
    assert f"Youden's J         {figure.value_text}" in str(evaluation.verification)
    assert f"Youden's J         {figure.value_text} in {figure.interval_text}" in str(evaluation.intervals)
    lines = {line["figure"]: line for line in csv.DictReader((tmp_path / "evaluation.csv").read_text().splitlines())}
    assert float(lines["Youden's J"]["value"]) == figure.value
    assert (lines["Youden's J"]["unit"], lines["Youden's J"]["note"]) == ("share", "at the best threshold")
    numbers = json.loads((tmp_path / "evaluation.json").read_text())
    assert numbers["verification"]["kept_apart"] == figure.value
    assert numbers["intervals"]["kept_apart"] == [low, high]
    assert {"Youden's J"} <= {written["name"] for written in numbers["figures"]}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("Youden&#39;s J") == 2  # at the head and in the table
    assert figure.value_text in page
    assert figure.interval_text in page


@pytest.mark.usefixtures("kept_apart")
def test_a_figure_that_is_added_is_refused_with_the_others():
    few = verification(torch.tensor([0.9, 0.1]), torch.tensor([True, False]))
    assert "Youden's J         n/a: 1 genuine pairs are too few" in str(few)
    intervals = verification_intervals(torch.tensor([0.9, 0.1]), torch.tensor([True, False]))
    assert vars(intervals)["kept_apart"] is None


@pytest.mark.parametrize("name", ["min_dcf", "minDCF"])
def test_a_figure_of_verification_is_named_in_two_files(name):
    """As an identifier, a field or a text; docstrings may speak of it."""
    files = {
        path.relative_to(ROOT).as_posix()
        for room in ("evaluation", "open_set", "plots", "cli")
        for path in (ROOT / room).rglob("*.py")
        if name in names_in(path)
    }
    assert files <= {"evaluation/verification/_figures.py", "evaluation/quantities.py"}


def names_in(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword | ast.arg) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize(
    ("table", "results"),
    [
        (VERIFICATION, [Verification]),
        (FOLDS, [FoldAccuracy]),
        (IDENTIFICATION, [Identification, OpenSet]),
        (RETRIEVAL, [Retrieval]),
        (GEOMETRY, [Geometry]),
    ],
)
def test_every_line_of_the_table_is_a_field_of_a_result(table, results):
    fields = {field.name for result in results for field in dataclasses.fields(result)}
    assert table.keys() <= fields
    assert len({quantity.name for quantity in table.values()}) == len(table)


def test_every_figure_of_the_operating_points_is_in_the_table():
    assert VERIFICATION.keys() == {"tar", *_figures.POINT_FIGURES}
