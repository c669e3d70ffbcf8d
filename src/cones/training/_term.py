"""A weighted feature loss of an objective, by name and fields until the sizes of the data are known."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from .. import feature_losses
from ..common.expressions import brief, call
from ..common.import_path import import_path
from ..feature_losses.arguments import taken
from ..margins import Margin

FeatureLoss = Callable[..., Tensor]
"""Called with what its arguments name, see `cones.feature_losses.arguments`."""

FEATURE_LOSSES: dict[str, type] = {name: getattr(feature_losses, name) for name in feature_losses.__all__}


@dataclass(frozen=True)
class Term:
    """lambda times a feature loss; sizes are known only when it is built.

    Args:
        weight: lambda.
        kind: a class of cones.feature_losses, or one of the user's own.
        fields: its hyperparameters.
    """

    weight: float
    kind: type
    fields: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """The class as text: "CenterLoss", or "package.module:Class" where it is not public."""
        public = self.kind is FEATURE_LOSSES.get(self.kind.__name__)
        return self.kind.__name__ if public else f"{self.kind.__module__}:{self.kind.__qualname__}"

    def __str__(self) -> str:
        written = ", ".join(f"{name}={value!r}" for name, value in self.fields)
        return f"{self.weight!r} * {self.name}({written})"

    def build(self, num_classes: int, dim: int) -> FeatureLoss:
        """Return the loss itself, for K classes and D dims.

        Raises:
            ValueError: a field is unknown or out of its range.
        """
        sizes = {"num_classes": num_classes, "dim": dim}
        build = _without_sizes(self.kind, sizes)
        return cast(FeatureLoss, call({self.name: build}, "feature loss", self.name, dict(self.fields)))


def find_feature_loss(name: str, *, trust: bool) -> type | None:
    """Return the class of a feature loss: a public one in any case, or "package.module:Class"; None for other names.

    Raises:
        TrustError: the name is an import path, and trust is False.
        ValueError: there is no such module, or what it names is neither a margin nor a feature loss.
    """
    if ":" not in name:
        return FEATURE_LOSSES.get(spelled(name))
    kind = import_path(name, trust=trust)
    if not isinstance(kind, type):
        raise ValueError(f"{brief(name)} is {brief(repr(kind))}, expected a class: a margin or a feature loss")
    if issubclass(kind, Margin):
        return None
    try:
        taken(kind)
    except ValueError as error:
        raise ValueError(f"{brief(name)} is not a feature loss: {error}") from None
    return kind


def spelled(name: str) -> str:
    """Return the name of a feature loss as the package spells it; any other name as it is."""
    return next((loss for loss in FEATURE_LOSSES if loss.lower() == name.lower()), name)


def _without_sizes(kind: type, sizes: dict[str, int]) -> Callable[..., Any]:
    """Return the constructor with the sizes filled in; they are no longer among its fields."""
    signature = inspect.signature(kind)
    wanted = {name: size for name, size in sizes.items() if name in signature.parameters}

    def build(**fields: Any) -> Any:
        return kind(**wanted, **fields)

    left = [parameter for name, parameter in signature.parameters.items() if name not in wanted]
    build.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
    return build
