"""docs/protocols.md: its code runs from top to bottom."""

import re
from pathlib import Path
from typing import Any

import pytest

from cones import protocols

PAGE = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for step in re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE):
        exec(step, names)
    assert repr(names["pairs"]) == "ImagePairs(2 pairs, 1 genuine)"
    assert repr(names["templates"]) == "Templates(2 templates of 3 images, 1 pairs, 0 genuine)"


def test_the_page_names_all_that_is_public() -> None:
    for name in dir(protocols):
        if not name.startswith("_"):
            assert name in PAGE, name
            assert (getattr(protocols, name).__doc__ or "").strip(), name
