"""The pages in docs/losses are those that `make docs-losses` writes. Pictures are not compared: fonts may differ."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from cones.catalogue import every_loss, has_picture, index, page

FOLDER = Path(__file__).parents[2] / "docs" / "losses"
FIX = "run `make docs-losses` and commit docs/losses"

each_loss = pytest.mark.parametrize("loss", every_loss().values(), ids=lambda loss: loss.__name__)


@each_loss
def test_every_loss_has_its_page(loss):
    path = FOLDER / f"{loss.__name__}.md"
    assert path.exists(), f"{path.name} is missing: {FIX}"
    assert path.read_text(encoding="utf-8") == page(loss), f"{path.name} is out of date: {FIX}"


@each_loss
def test_every_page_has_formula_reference_and_picture(loss):
    text = page(loss)
    assert re.search(r"^    .*=", text, flags=re.MULTILINE), "no formula"
    for section in ("## When to use it", "## Cost", "## Reference"):
        assert re.search(rf"^{section}\n\n\S", text, flags=re.MULTILINE), f"nothing under {section}"
    picture = FOLDER / f"{loss.__name__}.svg"
    assert picture.exists() == has_picture(loss), f"{picture.name}: {FIX}"
    assert (f"]({picture.name})" in text) == has_picture(loss)
    if has_picture(loss):
        written = picture.read_text(encoding="utf-8")
        assert ElementTree.fromstring(written).tag.endswith("svg")
        assert "dc:date" not in written


def test_the_index_lists_every_loss():
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == index(), f"README.md is out of date: {FIX}"
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\)", index(), flags=re.MULTILINE) == list(every_loss())


def test_no_page_is_left_of_a_loss_that_is_gone():
    left = {path.stem for path in FOLDER.iterdir()} - set(every_loss()) - {"README"}
    assert not left, f"delete these from docs/losses, or make the loss public: {', '.join(sorted(left))}"
