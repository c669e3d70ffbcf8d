"""Openings of docstrings: a verb or a noun of the field, not a relative clause."""

import ast
from pathlib import Path

import cones

RELATIVE = {"What", "Who", "How", "Where", "Those", "From", "Whether", "Which"}
MOST = 0.02
"""The largest share of docstrings that may open with one of these words."""


def test_few_docstrings_open_with_a_relative_clause():
    openings, found = 0, []
    for path in sorted(Path(cones.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                openings += text is not None
                if text and text.split()[0].rstrip(",:") in RELATIVE:
                    found.append(f"{path}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}")
    assert len(found) <= MOST * openings, f"{len(found)} of {openings}:\n" + "\n".join(found)
