"""CONTRIBUTING.md's steps for a margin and a feature loss, followed literally in a copy, keep the tests passing."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.narrowing import not_none

ROOT = Path(__file__).parents[1]
MARGIN, FEATURE_LOSS = "SineMargin", "CosinePull"

LISTS = (
    "tests/benchmarks/test_open_set.py::test_every_loss_is_in_every_table",
    "tests/catalogue",
    "tests/engine/test_contract_configuration.py",
    "tests/feature_losses/test_feature_losses.py",
    "tests/margins/test_values.py",
    "tests/training/test_joint.py",
)
"""Tests that list losses, as far as they are quick to collect and to run."""

EVERY_GUARD = (
    *LISTS,
    "tests/common/test_aliases.py",
    "tests/engine/test_contract.py",
    "tests/engine/test_contract_edges.py",
    "tests/engine/test_contract_magnitudes.py",
    "tests/margins",
    "tests/plots/test_loss_pictures.py",
    "tests/probing",
    "tests/suggestion",
    "tests/test_docs_reference.py",
    "tests/test_pickling.py",
)
"""All tests that list losses, or run for every one of them."""

MADE = f"""
import cones
from cones.plots.losses.pages import write_index, write_pages
list(write_pages([cones.{MARGIN}, cones.{FEATURE_LOSS}], "docs/losses"))
write_index("docs/losses")
assert cones.check_margin(cones.{MARGIN}()).ok
"""
"""Equivalent of `make docs-losses`, for these two only."""


def block(after):
    """The code block of CONTRIBUTING.md that follows a text."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"^   ```python\n(.*?)^   ```$", text[text.index(after) :], flags=re.DOTALL | re.MULTILINE)
    return textwrap.dedent(not_none(code)[1])


def append(path, code):
    path.write_text(path.read_text(encoding="utf-8") + "\n\n" + code, encoding="utf-8")


def run(*command, where):
    paths = os.pathsep.join([str(where / "src"), str(where)])
    done = subprocess.run(
        [sys.executable, *command], cwd=where, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the repository with the margin and the feature loss of CONTRIBUTING.md in it."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("src", "tests", "benchmarks", "dev", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, copy)
    for kind, room, reference in (
        ("### A margin", "margins", "classic"),
        ("### A feature loss", "feature_losses", "features"),
    ):
        text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        section = text[text.index(kind) :]
        file = not_none(re.search(rf"Write `(src/cones/{room}/\w+\.py)`", section))[1]
        (copy / file).write_text(block(kind), encoding="utf-8")
        init = copy / "src" / "cones" / room / "__init__.py"
        line = not_none(re.search(rf"`src/cones/{room}/__init__.py`:\n\n   ```python\n   (.*)\n", section))[1]
        init.write_text(init.read_text().replace("from ._", f"{line}\nfrom ._", 1))
        code = not_none(re.search(r"^3\..*?```python\n(.*?)^   ```$", section, flags=re.DOTALL | re.MULTILINE))[1]
        append(copy / "tests" / "references" / f"{reference}.py", textwrap.dedent(code))
    run("dev/reexport.py", where=copy)
    run("-c", MADE, where=copy)
    run("docs/reference.py", where=copy)
    return copy


def test_names_are_reexported_once(copy):
    path = copy / "src" / "cones" / "__init__.py"
    once = path.read_text(encoding="utf-8")
    assert once.count(f"import {MARGIN} as {MARGIN}") == once.count(f'"{FEATURE_LOSS}",') == 1
    run("dev/reexport.py", where=copy)
    assert path.read_text(encoding="utf-8") == once


@pytest.mark.parametrize("guards", [LISTS, pytest.param(EVERY_GUARD, marks=pytest.mark.slow)], ids=["lists", "all"])
def test_guards_pass(copy, guards):
    names = f"{MARGIN} or {FEATURE_LOSS} or every_table or every_feature or missing or index or left"
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", *guards, "-k", names, where=copy)
