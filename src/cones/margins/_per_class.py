"""Fields with one number for all classes, or one per class: a tuple or a (K,) tensor, indexed by each row's class."""

import math
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ._check import check_not_negative
from ._margin import Margin, Rows

PerClass: TypeAlias = float | tuple[float, ...] | Tensor
"""One number; or a tuple of K; or a tensor, 0-dim or (K,), which may need a gradient."""


def of_rows(value: PerClass, rows: Rows) -> float | Tensor:
    """Return the value of a field for each row.

    Args:
        value: the field.
        rows: N of them, with their labels.

    Returns:
        one number for all rows as it is; otherwise (N,), in the similarities' precision. Gradients reach a tensor.

    Example:
        >>> one, label = torch.ones(3), torch.tensor([1, 0, 1])
        >>> of_rows((0.25, 0.5), Rows(one, one, one, label, {}))
        tensor([0.5000, 0.2500, 0.5000])
    """
    like = rows.similarity
    if isinstance(value, tuple):
        value = torch.tensor(value, dtype=like.dtype, device=like.device)
    if isinstance(value, Tensor):
        value = value.to(like.device, like.dtype)
        return value[rows.label] if value.dim() else value
    return value


def as_tuple(margin: Margin, name: str) -> None:
    """Make a tuple of a field that is a list, as YAML and JSON have it; for `__post_init__`."""
    value = getattr(margin, name)
    if isinstance(value, list):
        object.__setattr__(margin, name, tuple(value))  # the dataclass is frozen once it is made


def check_each_not_negative(owner: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number of at least 0, a tuple of such, or a tensor of () or (K,)."""
    if isinstance(value, Tensor) and value.dim() > 1:
        raise ValueError(f"{owner}: {name} has shape {tuple(value.shape)}, expected () or (K,), one number per class")
    if not isinstance(value, tuple):
        check_not_negative(owner, name, value)
    elif not _plainly_fine(value):
        for place, number in enumerate(value):
            if isinstance(number, Tensor):
                raise ValueError(f"{owner}: {name}[{place}] is a tensor, expected a number, or one (K,) tensor for all")
            check_not_negative(owner, f"{name}[{place}]", number)


def check_one_a_class(owner: str, name: str, value: PerClass, num_classes: int) -> None:
    """Raise ValueError if `value` has one number per class, but not for this number of classes."""
    if isinstance(value, tuple) or (isinstance(value, Tensor) and value.dim() == 1):
        if len(value) == num_classes:
            return
        raise ValueError(
            f"{owner}: {name} has {len(value)} numbers, but there are {num_classes} classes: expected one per class"
        )


def _plainly_fine(values: tuple[Any, ...]) -> bool:
    """Tell whether all are Python numbers, finite and at least 0; fast, as it runs each time a margin is replaced."""
    return (
        {int, float}.issuperset(map(type, values)) and all(map(math.isfinite, values)) and min(values, default=0) >= 0
    )
