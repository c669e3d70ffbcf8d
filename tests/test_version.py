"""The version in the package equals the one in the citation."""

import re
from pathlib import Path

import cones

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version():
    (cited,) = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)
    assert cited == cones.__version__
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
