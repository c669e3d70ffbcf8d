"""The linter of margins: no findings for sound margins, and the right finding for each kind of defect."""

import dataclasses
import math
import re
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import cones
from cones import Margin, check_margin
from cones.cli.app import main
from cones.margins import known
from tests.linter.broken_margins import (
    AboveNeutral,
    Acos,
    AngleIsNoField,
    ChangesRows,
    ChangesTile,
    Clamped,
    ClampedAcos,
    Detached,
    DetachedFromTheTarget,
    DividesByTheNorm,
    ForgetsStatistics,
    Impure,
    Jumping,
    NaNStatistics,
    NoGeometry,
    NotATensor,
    NotFrozen,
    OthersFalling,
    OthersJumping,
    OtherWithoutGradient,
    Raising,
    RaisingAtThePole,
    RaisingForNoRows,
    RaisingStatistics,
    RandomOthers,
    Remembering,
    Rising,
    SeesNeighbours,
    SeesRows,
    SilentRepr,
    Sound,
    Unhashable,
    WithoutGradient,
    WrongBias,
    WrongDtype,
    WrongOthersShape,
    WrongShape,
)
from tests.losses import Bending
from tests.narrowing import not_none

# losses whose definition is not what the linter asks for: a hard switch, a factor that is not differentiated
KNOWN_FAILURES: dict[str, set[str]] = {
    "AdaFace": {"gradient"},
    "ArcNegFace": {"continuous", "monotone others", "gradient sign"},
    "CircleLoss": {"monotone others", "gradient"},
    "CurricularFace": {"continuous", "monotone others", "gradient sign"},
    "MagFace": {"continuous", "monotone target"},
    "MVSoftmax": {"continuous", "monotone target"},
    "NPCFace": {"continuous", "monotone target"},
    "P2SGrad": {"gradient sign"},
}

SETTINGS: list[tuple[Margin, set[str]]] = [
    (cones.ArcFace(tail="plain"), {"monotone target", "below neutral", "gradient sign"}),
    (cones.ArcFace(tail="monotone"), {"continuous"}),
    (cones.ArcFace(tail="easy"), {"continuous", "monotone target"}),
    (cones.ArcFace(tail="clip"), set()),
    (cones.ArcFace(straight_through=True), {"gradient"}),
    (cones.ArcFace(scale=torch.tensor(16.0, requires_grad=True)), set()),
    (cones.LSoftmax(margin=2, scale=0.7, blend=3.0), set()),
    (cones.CombinedMargin(m1=1.35, m2=0.0, m3=0.0, scale=10.0), set()),
    (cones.CombinedMargin(tail="plain"), {"monotone target", "gradient sign"}),
]


def names(report, verdict="fails"):
    return {finding.name for finding in report.findings if finding.verdict == verdict}


def sentence(report, name):
    return next(finding.sentence for finding in report.findings if finding.name == name)


def run(*arguments):
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def buildable():
    return [kind() for kind in known().values() if all(_has_default(f) for f in dataclasses.fields(kind))]


def _has_default(field):
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


@pytest.mark.parametrize("margin", buildable(), ids=repr)
def test_public_margins_in_their_defaults(margin):
    report = check_margin(margin)
    expected = KNOWN_FAILURES.get(type(margin).__name__, set())
    assert names(report) == expected, report
    assert report.ok == (not expected)


@pytest.mark.parametrize(("margin", "expected"), SETTINGS, ids=[repr(margin) for margin, _ in SETTINGS])
def test_public_margins_in_other_settings(margin, expected):
    report = check_margin(margin)
    assert names(report) == expected, report


EVERYWHERE = {
    "finite", "continuous", "monotone target", "below neutral", "gradient at the poles", "finite at the edges",
}  # fmt: skip

BROKEN: list[tuple[Margin, set[str], str, str]] = [
    (Jumping(), {"continuous"}, "continuous", r"target logit jumps from 4.8 to 3.2 at 60.0 deg"),
    (OthersJumping(), {"continuous"}, "continuous", r"logit of another class .* jumps .* at 72.5 deg"),
    (Rising(), {"monotone target", "gradient sign"}, "monotone target", r"rises by 1.6 from 90.0 deg to 180.0 deg"),
    (OthersFalling(), {"monotone others", "gradient sign"}, "monotone others", r"falls by .* from 44.5 deg to 0.0 deg"),
    (Acos(), {"finite", "finite at the edges", "gradient at the poles"}, "finite", r"is nan at cosine 1"),
    (ClampedAcos(), {"finite at the edges", "gradient at the poles"}, "gradient at the poles", r"is -?(nan|inf)"),
    (DividesByTheNorm(), {"finite at the edges"}, "finite at the edges", r"inf for a zero feature"),
    (Detached(), {"gradient"}, "gradient", r"autograd gives d target / d similarity = 16"),
    (DetachedFromTheTarget(), {"gradient"}, "gradient", r"d others / d target = 0, .* slope of the value is -0.1"),
    (WithoutGradient(), {"gradient"}, "gradient", r"d target / d similarity = 0, .* slope of the value is 16"),
    (SeesNeighbours(), {"elementwise"}, "elementwise", r"others of a class differs by .* other classes in its tile"),
    (ChangesRows(), {"inputs kept"}, "inputs kept", r"target changes rows.similarity in place"),
    (ChangesTile(), {"inputs kept"}, "inputs kept", r"others changes similarity in place"),
    (WrongShape(), {"shapes and dtypes"}, "shapes and dtypes", r"target has shape \(12, 1\), expected \(12,\)"),
    (WrongOthersShape(), {"shapes and dtypes"}, "shapes and dtypes", r"others has shape \(12,\), expected \(12, 7\)"),
    (WrongDtype(), {"shapes and dtypes"}, "shapes and dtypes", r"target has dtype torch.float32"),
    (NotATensor(), {"shapes and dtypes"}, "shapes and dtypes", r"target returns None, expected a tensor"),
    (SeesRows(), {"rows independent"}, "rows independent", r"target of a row differs by .* other rows beside it"),
    (AboveNeutral(), {"below neutral"}, "below neutral", r"1.6 above scale \* similarity at"),
    (Impure(), {"statistics"}, "statistics", r"changes statistics in place"),
    (ForgetsStatistics(), {"statistics"}, "statistics", r"returns nothing, expected mean"),
    (NaNStatistics(), {"statistics"}, "statistics", r"for 1 rows, returns mean = nan"),
    (NotFrozen(), {"frozen dataclass"}, "frozen dataclass", r"NotFrozen is not itself a dataclass"),
    (Unhashable(), {"hashable"}, "hashable", r"unhashable type: 'dict'"),
    (SilentRepr(), {"repr"}, "repr", r"does not show margin, scale"),
    (AngleIsNoField(), {"class attributes"}, "class attributes", r"angles names m, which is not a field"),
    (NoGeometry(), {"class attributes"}, "class attributes", r"features is 'Unit', expected one of 'unit', 'raw'"),
    (Raising(), {"shapes and dtypes"}, "shapes and dtypes", r"others raised IndexError: index 99"),
    (RaisingForNoRows(), {"few rows"}, "few rows", r"target raised RuntimeError"),
    (OtherWithoutGradient(), {"engine"}, "engine", r"loss of margin_softmax differs from dense_margin_softmax by"),
    (RaisingAtThePole(), EVERYWHERE, "finite", r"^target raised ValueError$"),
    (RaisingStatistics(), {"statistics"}, "statistics", r"init_statistics raised ZeroDivisionError: division by zero"),
    (WrongBias(), {"shapes and dtypes"}, "shapes and dtypes", r"class_bias has shape \(11,\), expected \(10,\)"),
    (RandomOthers(), {"elementwise"}, "elementwise", r"others of a class differs"),
    (Remembering(), {"repeatable"}, "repeatable", r"target gives two results for the same arguments"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("margin", "expected", "name", "text"), BROKEN, ids=[type(case[0]).__name__ for case in BROKEN]
)
def test_each_broken_margin_is_caught_by_the_right_finding(margin, expected, name, text):
    report = check_margin(margin)
    assert names(report) == expected, report
    assert not report.ok
    found = sentence(report, name)
    assert re.search(text, found), found


def test_nothing_is_said_of_a_sound_one():
    report = check_margin(Sound())
    assert report.ok
    assert names(report, "warns") == set()
    assert names(report, "not applicable") == {"statistics"}
    assert not_none(report.cost).closed_form


def test_clamped_cosine_is_asked_about():
    report = check_margin(Clamped())
    assert report.ok
    assert "is the cosine clamped?" in sentence(report, "gradient at the poles")


@dataclass(frozen=True)
class Drawing(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity - self.margin + 0.01 * torch.randn(len(similarity), dtype=similarity.dtype))


def test_random_margin_is_judged_row_by_row_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    report = check_margin(Drawing())
    assert torch.equal(torch.rand(3), expected)
    assert report.ok
    assert "draws at random" in sentence(report, "repeatable")
    assert names(report, "not applicable") == {"statistics", "rows independent"}


@dataclass(frozen=True)
class ByNorm(Sound):
    """The running mean of norms sets the margin; pure, and not differentiated."""

    def target(self, similarity, rows):
        return self.scale * (similarity - 0.01 * rows.feature_norm.detach() / rows.statistics["mean"] - 0.1)

    def init_statistics(self, num_classes):
        return {"mean": 20.0}

    def update_statistics(self, statistics, rows, rest):
        return {"mean": 0.9 * statistics["mean"] + 0.1 * rows.feature_norm.mean()}


def test_detached_by_definition_warns_once_it_is_said():
    report = check_margin(ByNorm())
    assert names(report) == {"gradient"}
    assert "d target / d feature_norm = 0" in sentence(report, "gradient")
    report = check_margin(ByNorm(), detached=True)
    assert report.ok
    assert names(report, "warns") == {"gradient"}
    assert "not that of the value, as declared" in sentence(report, "gradient")
    assert "pure function" in sentence(report, "statistics")


@dataclass(frozen=True)
class OneVersusAll(Sound):
    combine: ClassVar = "one-vs-all"

    def class_loss(self, logits):
        return 0.3 * super().class_loss(logits)


@dataclass(frozen=True)
class SeesRowsAndBends(Sound):
    def others(self, similarity, target, rows):
        return self.scale * torch.where(similarity > 0.3, 1.1 * similarity - 0.03, similarity) + target.mean()


def test_rows_that_see_each_other_are_judged_one_by_one():
    report = check_margin(SeesRowsAndBends())
    assert names(report) == {"rows independent"}, report
    assert names(report, "warns") == {"continuous slope"}
    assert "at 72.5 deg" in sentence(report, "continuous slope")


def test_one_versus_all():
    assert check_margin(OneVersusAll()).ok


@dataclass(frozen=True)
class ByClass(Sound):
    counts: tuple[int, ...] = (3, 2, 1)

    def target(self, similarity, rows):
        return self.scale * (similarity - 0.1 / torch.tensor(self.counts, dtype=similarity.dtype)[rows.label])


def test_margin_with_counts_needs_as_many_classes():
    assert check_margin(ByClass(), num_classes=3, dim=2).ok
    assert "target raised IndexError" in sentence(check_margin(ByClass()), "shapes and dtypes")


@dataclass(frozen=True)
class Needless(Sound):
    def others(self, similarity, target, rows):
        return self.scale * similarity


def test_cost_is_told_and_never_judged():
    cost = not_none(check_margin(Bending()).cost)
    assert not cost.closed_form
    assert cost.time > 0
    assert cost.arrays >= 1
    assert "times the time of its product" in str(cost)
    assert "remove it to use the closed form" in str(check_margin(Needless()).cost)
    assert check_margin(Raising()).cost is None


def test_findings_are_values_and_angles_are_radians():
    found = next(f for f in check_margin(cones.ArcFace(tail="monotone")).findings if f.name == "continuous")
    assert math.isclose(not_none(found.own_angle), math.pi - 0.5, abs_tol=1e-6)
    assert found.other_angle is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.verdict = "holds"  # type: ignore[misc]


def test_report_is_a_readable_table():
    report = check_margin(cones.ArcFace(tail="plain"))
    lines = str(report).splitlines()
    assert lines[0] == repr(cones.ArcFace(tail="plain"))
    assert lines[1] == f"3 of {len(report.findings)} fail: monotone target, below neutral, gradient sign"
    assert max(len(line) for line in lines) <= 118
    for finding in report.findings:
        assert sum(finding.name in line.split("  ") or f" {finding.name} " in line[7:32] for line in lines) >= 1
    assert sum(line.startswith("FAILS") for line in lines) == 3


def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"margin is the class Sound, expected a value: write Sound\(\)"):
        check_margin(Sound)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"margin is 0.3, expected a cones.Margin"):
        check_margin(0.3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"num_classes is 1, expected at least 2"):
        check_margin(Sound(), num_classes=1)
    with pytest.raises(ValueError, match=r"dim is 1, expected at least 2"):
        check_margin(Sound(), dim=1)


@pytest.mark.parametrize(
    "margin", [cones.ArcFace(tail="plain"), cones.Softmax(), Detached(), ByNorm(), Drawing(), Acos()], ids=repr
)
def test_figure_shows_logits_loss_and_slopes(margin):
    figure = check_margin(margin).figure()
    assert [axes.get_title(loc="left").split(",")[0] for axes in figure.axes[3:]] == ["its slope by θ"] * 3
    assert all(len(axes.lines) >= 1 for axes in figure.axes)


def test_figure_of_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="nothing to draw: others raised IndexError"):
        check_margin(Raising()).figure()


# The command line.

INVENTED = """
from dataclasses import dataclass
import cones

@dataclass(frozen=True)
class Mine(cones.Margin):
    margin: float = 0.2
    scale: float = 16.0

    def target(self, similarity, rows):
        return self.scale * (similarity - self.margin)
"""


@pytest.fixture
def invented(tmp_path, monkeypatch):
    """A folder with a module of an inventor's margin, as the current folder."""
    (tmp_path / "invented_margin.py").write_text(INVENTED)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("invented_margin", None)


def test_command_checks_a_margin(tmp_path, capsys):
    assert run("check", "ArcFace(margin=0.3)") == 0
    assert "nothing fails" in capsys.readouterr().out
    assert run("check", "ArcFace(tail='plain')", "--out", tmp_path / "plain") == 1
    out = capsys.readouterr().out
    assert "FAILS  monotone target" in out
    assert str(tmp_path / "plain.png") in out
    assert (tmp_path / "plain.svg").exists()
    assert run("check", "ArcFace(straight_through=True)", "--detached") == 0


def test_command_checks_an_inventors_margin(invented, capsys):
    assert run("check", "invented_margin:Mine") == 0
    assert run("check", "invented_margin:Mine(margin=-0.1)") == 1
    assert "below neutral" in capsys.readouterr().out
    path = list(sys.path)
    assert cones.margins.parse("invented_margin:Mine(scale=2.0)").scale == 2.0
    assert sys.path == path


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ArcFase", "'ArcFase' is not a margin (did you mean ArcFace?)"),
        ("invented_margin:Nine", "invented_margin has no 'Nine' (did you mean Mine?)"),
        ("invented_margin:Mine(m=1)", "Mine has no field 'm'"),
        ("no_such_module:Mine", "there is no module 'no_such_module'"),
        ("math:pi", "math:pi is 3.14"),
        ("0.3", "0.3 is 0.3, expected a margin such as ArcFace(margin=0.3)"),
    ],
)
def test_command_says_what_is_wrong_with_the_text(invented, capsys, text, error):
    assert run("check", text) == 2
    said = capsys.readouterr().err
    assert error in said
    assert len(said.strip().splitlines()) == 1
