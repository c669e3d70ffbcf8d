"""Contract of every margin: its repr is its configuration, and its docstring names its source."""

import re
from dataclasses import fields

import pytest

import cones.margins
from tests.engine.contract import each_margin
from tests.narrowing import not_none


@each_margin
def test_repr_is_the_configuration(margin):
    assert cones.margins.parse(repr(margin)) == margin
    assert hash(margin) == hash(cones.margins.parse(repr(margin)))


@each_margin
def test_default_construction_and_docstring(margin):
    kind = type(margin)
    if not hasattr(margin, "counts"):
        assert kind() == cones.margins.parse(kind.__name__)
    text = not_none(kind.__doc__)
    for section in ("Args:", "Raises:", "Reference:") if fields(margin) else ("Reference:",):
        assert section in text, f"{kind.__name__} says nothing under {section}"
    assert re.search(r"Reference: \S.{10,}", text, flags=re.DOTALL), f"{kind.__name__} names no source"
    if "scale" in (field.name for field in fields(margin)):
        given = {"counts": margin.counts} if hasattr(margin, "counts") else {}
        with pytest.raises(ValueError, match=r"scale is -1.0, expected a finite number above 0"):
            kind(**given, scale=-1.0)
