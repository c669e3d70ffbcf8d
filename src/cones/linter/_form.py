"""Form: a margin is a value, a frozen dataclass whose repr is its configuration."""

import dataclasses
from typing import Any, get_args

from torch import Tensor

from ..common.expressions import call, evaluate, parse_tree
from ..margins import Combine, Geometry, Margin, known
from ._report import Finding
from ._subject import Subject


def frozen(subject: Subject) -> Finding:
    """A frozen dataclass of its own, not only by its base."""
    kind = type(subject.margin)
    if "__dataclass_params__" not in vars(kind):
        return Finding("fails", f"{kind.__name__} is not itself a dataclass: write @dataclass(frozen=True) above it")
    for field in dataclasses.fields(kind):
        try:
            setattr(subject.margin, field.name, getattr(subject.margin, field.name))
        except dataclasses.FrozenInstanceError:
            continue
        return Finding("fails", f"the field {field.name} can be set: write @dataclass(frozen=True) and no __setattr__")
    return Finding("holds", "a frozen dataclass: its fields are its hyperparameters")


def readable(subject: Subject) -> Finding:
    """The repr is the configuration: it reads back to an equal margin, or at least lists every field."""
    margin = subject.margin
    values = _values(margin)
    if any(isinstance(value, Tensor) for value in values.values()):
        return Finding("not applicable", "a field is a tensor, which has no exact repr")
    text = repr(margin)
    missing = [name for name, value in values.items() if f"{name}={value!r}" not in text]
    if missing:
        return Finding("fails", f"the repr {text} does not show {', '.join(missing)}: leave it to the dataclass")
    allowed = known() | {type(margin).__name__: type(margin)}
    try:
        again = evaluate(parse_tree(text), lambda name, fields: call(allowed, "margin", name, fields))
    except ValueError:
        return Finding("holds", f"the repr lists every field: {text}")
    if again != margin:
        return Finding("fails", f"the repr {text} reads back as {again!r}, which is not equal")
    return Finding("holds", "the repr reads back to an equal margin")


def hashable(subject: Subject) -> Finding:
    """Hashable, so that a margin can be a key and a field of another."""
    try:
        hash(subject.margin)
    except TypeError as error:
        return Finding("fails", f"{error}: make the field a tuple")
    return Finding("holds", "hashable, so that it can be a key")


def class_attributes(subject: Subject) -> Finding:
    """Geometry and combination are words that the engine knows; the angles and cosines it names are fields."""
    margin = subject.margin
    for name, allowed in (("features", Geometry), ("weights", Geometry), ("combine", Combine)):
        value = getattr(margin, name)
        if value not in get_args(allowed):
            return Finding("fails", f"{name} is {value!r}, expected one of {', '.join(map(repr, get_args(allowed)))}")
    for attribute in ("angles", "cosines"):
        strangers = [name for name in getattr(margin, attribute) if name not in _values(margin)]
        if strangers:
            return Finding("fails", f"{attribute} names {', '.join(strangers)}, which is not a field")
    geometry = f"features {margin.features}, weights {margin.weights}, combined by {margin.combine}"
    return Finding("holds", f"{geometry}; angles: {', '.join(margin.angles) or 'none'}")


def _values(margin: Margin) -> dict[str, Any]:
    return {field.name: getattr(margin, field.name) for field in dataclasses.fields(margin)}
