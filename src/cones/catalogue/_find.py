"""The losses by name, and an example of each."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .. import feature_losses, margins
from ..common.expressions import did_you_mean

LONG_TAIL = (1000, 600, 360, 216, 130, 78, 47, 28, 17, 10)
"""Samples per class of the example for losses that need counts."""

EXAMPLES: Mapping[str, object] = {"counts": LONG_TAIL, "num_classes": 2, "dim": 2}
"""Values for fields that have no default."""


def every_loss() -> dict[str, type]:
    """The public margins and feature losses by name, the margins first, in alphabetical order."""
    of_features = {name: getattr(feature_losses, name) for name in sorted(feature_losses.__all__, key=str.lower)}
    return {**margins.known(), **of_features}


def find_loss(name: str) -> type:
    """The loss of that name, in any case, or a margin of your own, written "package.module:Class".

    Raises:
        ValueError: there is none; the error says what is near.
    """
    if ":" in name:
        return margins.known(name)[name]
    losses = every_loss()
    by_lower = {loss.lower(): kind for loss, kind in losses.items()}
    if name.lower() not in by_lower:
        raise ValueError(f"{name!r} is not a loss{did_you_mean(name, losses)}; expected one of {', '.join(losses)}")
    return by_lower[name.lower()]


def example(kind: Callable[..., Any], examples: Mapping[str, object] = EXAMPLES) -> Any:
    """A loss of that kind with its defaults, and the example's value where a field has none.

    Raises:
        ValueError: a field has neither a default nor an example.

    Example:
        >>> example(margins.CosFace)
        CosFace(margin=0.35, scale=64.0)
    """
    missing = missing_fields(kind)
    for name in missing:
        if name not in examples:
            raise ValueError(
                f"{kind.__name__} has a field {name!r} without a default: give it one, or a value in EXAMPLES of "
                f"src/cones/catalogue/_find.py"
            )
    return kind(**{name: examples[name] for name in missing})


def missing_fields(kind: Callable[..., Any]) -> list[str]:
    """The fields that have no default."""
    parameters = inspect.signature(kind).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is parameter.empty]
