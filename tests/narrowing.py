"""Narrowing: a type that allows more than the test at hand, such as None, made the exact one by an assertion."""

from typing import TypeVar

from torch import Tensor

T = TypeVar("T")


def not_none(value: T | None) -> T:
    """Return the value, which is not None."""
    assert value is not None
    return value


def instance_of(kind: type[T], value: object) -> T:
    """Return the value, which is of that class."""
    assert isinstance(value, kind)
    return value


def grad_of(tensor: Tensor | None) -> Tensor:
    """Return the gradient that a backward pass left on the tensor."""
    return not_none(not_none(tensor).grad)
