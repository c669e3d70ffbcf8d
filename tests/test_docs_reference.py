"""docs/reference has every public name, and its pages are up to date with `make docs-reference`."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cones

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "reference"

sys.path.insert(0, str(DOCS))
from public_names import MODULES, definitions  # noqa: E402
from reference import pages  # noqa: E402

sys.path.remove(str(DOCS))

ALONE = ("class_sgd", "head", "layers", "probability")
"""Modules of one file, whose names are public in `cones`."""

INSIDE = {"cli", "common", "engine", "probing", "__init__", "__main__"}
"""Rooms that users do not import from, but for cones.engine.planner, which is `cones.planner`."""


def test_pages_are_up_to_date():
    written = pages()
    assert {path.name for path in FOLDER.iterdir()} == set(written), "run `make docs-reference` and commit it"
    for name, text in written.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs-reference` and commit it"


def test_every_public_module_has_its_page():
    rooms = {
        path.stem for path in Path(cones.__file__).parent.iterdir() if path.stem[0] != "_" and path.name != "py.typed"
    }
    assert {f"cones.{room}" for room in rooms - INSIDE - set(ALONE)} <= set(MODULES)
    for room in ALONE:
        module = importlib.import_module(f"cones.{room}")
        assert set(getattr(module, "__all__", [])) <= set(cones.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_its_entry(name):
    module = importlib.import_module(name)
    listed = {one for one in module.__all__ if not isinstance(getattr(module, one), ModuleType)}
    assert listed == {one.name for one in definitions(name)}, f"{name}.__all__ and what {name} re-exports differ"
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    for one in listed:
        assert f"\n## {one}\n" in text or f"[`{one}`](cones." in text, f"{one} has no entry"


def test_every_public_name_is_described():
    for module in MODULES:
        for one in definitions(module):
            assert one.text.strip(), f"{module}.{one.name} has neither a docstring nor a string below it"


def test_links_lead_somewhere():
    texts = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    anchors: dict[str, set[str]] = {}
    for name, text in texts.items():
        seen: dict[str, int] = {}
        for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE):
            slug = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            anchors.setdefault(name, set()).add(slug + (f"-{seen[slug]}" if slug in seen else ""))
            seen[slug] = seen.get(slug, 0) + 1
    for name, text in texts.items():
        for page, anchor in re.findall(r"\]\(([\w.]*\.md)?#([\w-]+)\)", text):
            assert anchor in anchors[page or name], f"{name}: {page}#{anchor}"
