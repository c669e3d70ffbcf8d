"""The files of a run's folder have their names in one place."""

import ast
import json
from pathlib import Path

import pytest

import cones
from cones.common import run_folder
from cones.common.run_folder import read_comparison, refuse_links

ROOT = Path(cones.__file__).parent
NAMES = {
    value for name, value in vars(run_folder).items() if name.isupper() and isinstance(value, str) and "." in value
}


def test_names_of_files_are_written_once():
    assert len(NAMES) == 10
    for path in ROOT.rglob("*.py"):
        if path != Path(run_folder.__file__):
            written = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            assert not written & NAMES, f"{path} writes {written & NAMES}: import them from cones.common.run_folder"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0", 3, None, 256 * "1", 128 * "é"])
def test_a_comparison_names_folders_that_a_system_can_hold(tmp_path, name):
    (tmp_path / "comparison.json").write_text(json.dumps({"title": "t", "runs": ["fine", name]}))
    with pytest.raises(ValueError, match=r"comparison.json lists the run .*, expected the name of a folder beside it"):
        read_comparison(tmp_path)


def test_a_comparison_is_read(tmp_path):
    runs = ["arcface", 255 * "1", "é"]
    (tmp_path / "comparison.json").write_text(json.dumps({"title": "t", "runs": runs}))
    assert read_comparison(tmp_path) == ("t", tuple(runs))


def test_folders_inside_a_run_are_no_links(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "figures").symlink_to(tmp_path / "elsewhere")
    refuse_links(tmp_path, "elsewhere", "missing")
    with pytest.raises(ValueError, match=r"figures is a link, expected a folder in its place: remove the link"):
        refuse_links(tmp_path, "elsewhere", "figures")


def test_a_run_of_a_comparison_is_no_link(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "comparison").mkdir()
    (tmp_path / "comparison" / "arcface").symlink_to(tmp_path / "outside")
    (tmp_path / "comparison" / "comparison.json").write_text(json.dumps({"title": "t", "runs": ["arcface"]}))
    with pytest.raises(ValueError, match=r"arcface is a link, expected a folder"):
        read_comparison(tmp_path / "comparison")
