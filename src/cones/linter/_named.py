"""A margin by its text: one of this package, or an inventor's own in a module."""

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..margins import Margin, known
from ..notation import call, evaluate, parse_tree

IN_MODULE = re.compile(r"\s*([A-Za-z_][\w.]*)\s*:(.*)", flags=re.DOTALL)


def margin_named(text: str) -> Margin:
    """The margin that a text names.

    Args:
        text: "ArcFace(margin=0.3)" for one of this package, "package.module:MyMargin" or
            "package.module:MyMargin(margin=0.3)" for one that is imported, from the current folder first. Fields left
            out have their defaults.

    Raises:
        ValueError: no such module, class or field, or the class is no Margin.

    Example:
        >>> margin_named("cones.margins:CosFace(margin=0.2)")
        CosFace(margin=0.2, scale=64.0)
    """
    inside = IN_MODULE.fullmatch(text)
    if inside is None:
        return _build(text, known())
    return _build(inside[2], _margins_in(inside[1]))


def _build(text: str, allowed: dict[str, Any]) -> Margin:
    margin = evaluate(parse_tree(text), lambda name, fields: call({**known(), **allowed}, "margin", name, fields))
    if not isinstance(margin, Margin):
        raise ValueError(f"{text.strip()} is {margin!r}, expected a margin such as ArcFace(margin=0.3)")
    return margin


def _margins_in(name: str) -> dict[str, Any]:
    """The margins that a module has, by name."""
    with _current_folder_first():
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise ValueError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    found = {key: value for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Margin)}
    found.pop("Margin", None)
    if not found:
        raise ValueError(f"{name} has no margin: write a class that inherits from cones.Margin")
    return found


@contextmanager
def _current_folder_first() -> Iterator[None]:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
