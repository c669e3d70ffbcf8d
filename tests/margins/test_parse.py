"""Margins as text: public ones by name, your own as module:Name, and nothing else."""

import ast
import sys

import pytest

from cones import CosFace
from cones.common.expressions import parse_tree
from cones.margins import known, parse
from cones.margins._parse import name_of, written

FILE = """
from dataclasses import dataclass
from cones import Margin

@dataclass(frozen=True)
class Mine(Margin):
    scale: float = 2.0
    kind: str = "a:b"

    def target(self, similarity, rows):
        return self.scale * similarity

@dataclass(frozen=True)
class CosFace(Mine):
    pass

number = 3
"""


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """inventor.losses, with a margin of its own; inventor.broken, which cannot be imported."""
    (tmp_path / "inventor").mkdir()
    (tmp_path / "inventor" / "losses.py").write_text(FILE)
    (tmp_path / "inventor" / "broken.py").write_text("import nowhere_to_be_found")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "inventor"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "text",
    ["inventor.losses:Mine(scale=3.0, kind='x:y')", 'inventor.losses:Mine(scale=3, kind="x:y")'],
)
def test_a_margin_of_ones_own(text):
    margin = parse(text)
    assert type(margin).__module__ == "inventor.losses"
    assert (margin.scale, vars(margin)["kind"]) == (3.0, "x:y")
    assert parse(written(margin)) == margin


def test_the_current_folder_is_looked_in(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "of_this_folder.py").write_text(FILE)
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = list(sys.path)
    assert parse("of_this_folder:Mine(scale=4.0)").scale == 4.0
    assert sys.path == before
    monkeypatch.delitem(sys.modules, "of_this_folder")


def test_defaults_and_names():
    assert repr(parse("inventor.losses:Mine")) == "Mine(scale=2.0, kind='a:b')"
    assert written(CosFace()) == "CosFace(margin=0.35, scale=64.0)"
    assert name_of(CosFace) == "CosFace"
    assert name_of(type(parse("inventor.losses:CosFace"))) == "inventor.losses:CosFace"
    assert "inventor.losses:Mine" in known("inventor.losses:Mine")
    assert "inventor.losses:Mine" not in known()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inventor.losses.Mine", r"inventor.losses.Mine: expected a number, a string or Name\(field=value\)"),
        ("inventor.losses:Mien", r"inventor.losses has no 'Mien' \(did you mean Mine\?\)"),
        ("inventor.losses:number", r"inventor.losses:number is 3, expected a subclass of cones.Margin"),
        ("inventor.loses:Mine", r"there is no module 'inventor.loses', neither in this folder nor"),
        ("inventer.losses:Mine", r"there is no module 'inventer', neither in this folder nor"),
        ("inventor.losses:Mine(size=1)", r"inventor.losses:Mine has no field 'size'; it has scale, kind"),
        ("ArcFace(margin=1, margin=2)", r"margin is given twice, expected each field once"),
        ("ArcFace(margin=nan)", r"nan: expected a finite number"),
        ("ArcFace(margin=-inf)", r"-inf: expected a finite number"),
        ("ArcFace(margin=float('nan'))", r"float\('nan'\): expected a finite number, written as it is"),
        ("inventor.losses:Mine(3)", r"write 3 by its field name, inventor.losses:Mine\(field=...\)"),
        ("inventor.losses:Mine.Inner", r"expected a number, a string or Name"),
        ("inventor.losses : Mine", r"cannot read 'inventor.losses : Mine' at column 17"),
        ("inventor:losses:Mine", r"expected a number, a string or Name"),
        (":Mine", r"cannot read ':Mine' at column 1"),
        ("builtins:print", r"builtins:print is <built-in function print>, expected a subclass of cones.Margin"),
    ],
)
def test_errors(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_a_module_that_misses_another_says_which():
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        parse("inventor.broken:Mine")


def test_a_dotted_name_imports_nothing():
    with pytest.raises(ValueError, match="expected a number"):
        parse("inventor.losses.Mine(scale=1.0)")
    assert "inventor.losses" not in sys.modules


def test_sums_keep_their_order_and_columns_stay():
    tree = parse_tree("inventor.losses:Mine(scale=1) + 0.1 * CenterLoss")
    assert ast.unparse(tree) == "inventor.losses:Mine(scale=1) + 0.1 * CenterLoss"
    assert isinstance(tree, ast.BinOp)
    assert isinstance(tree.left, ast.Call)
    assert ast.unparse(tree.left.func) == "inventor.losses:Mine"
    with pytest.raises(ValueError, match="at column 22"):
        parse_tree("inventor.losses:Mine(=)")
