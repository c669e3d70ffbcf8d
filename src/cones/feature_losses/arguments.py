"""The convention by which a feature loss says what it takes: the names of its arguments.

A feature loss is a class whose instances are called with any of

    features     (N, D)
    labels       (N,) integers in 0..K-1
    weight       (K, D), the class weights
    correct      (N,) bool: whether the head classifies the row rightly
    num_classes  K

by name, and return a 0-dim tensor; with `reduction="none"`, where they have it, one loss per row. Its constructor is
given `num_classes` and `dim` where it takes them.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

GIVEN = ("features", "labels", "weight", "correct", "num_classes")
"""What a loss may be called with."""


def arguments(loss: Callable[..., Any] | type) -> Mapping[str, inspect.Parameter]:
    """Return the parameters that a feature loss, or an instance of that class, is called with, by name.

    Raises:
        ValueError: it is a class whose instances cannot be called.

    Example:
        >>> from cones import CenterLoss, MHE
        >>> list(arguments(MHE)), list(arguments(CenterLoss(num_classes=3, dim=2)))
        (['weight'], ['features', 'labels', 'reduction'])
    """
    if not isinstance(loss, type):
        return inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss).parameters
    method = "forward" if issubclass(loss, nn.Module) else "__call__"
    if not any(method in vars(parent) for parent in loss.__mro__):
        raise ValueError(f"{loss.__name__} has no {method}, expected one that takes some of {', '.join(GIVEN)}")
    _, *parameters = inspect.signature(getattr(loss, method)).parameters.values()  # the first is self
    return {parameter.name: parameter for parameter in parameters}


def taken(loss: Callable[..., Any] | type) -> tuple[str, ...]:
    """Return which of GIVEN a feature loss is called with.

    Raises:
        ValueError: it takes neither features nor weight, or must be called with anything else.
    """
    parameters = arguments(loss)
    name = loss.__name__ if isinstance(loss, type) else type(loss).__name__
    for parameter in parameters.values():
        must = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if must and (parameter.name not in GIVEN or parameter.kind is parameter.POSITIONAL_ONLY):
            raise ValueError(
                f"{name} must be called with {parameter.name}, expected arguments by name among {', '.join(GIVEN)}"
            )
    names = tuple(given for given in GIVEN if given in parameters)
    if not {"features", "weight"} & set(names):
        raise ValueError(f"{name} is called with neither features nor weight: it would have no gradient")
    return names
