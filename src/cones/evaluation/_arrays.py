"""Conversion of arrays: tensors, NumPy arrays, pandas columns and lists to tensors; labels of any kind to integers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = Tensor | npt.ArrayLike
"""A tensor, or anything that NumPy converts to an array: a NumPy array, a pandas DataFrame or Series, a list."""

UNKNOWN = -1
"""Label of a row whose subject is not known."""


def as_tensor(name: str, values: Array) -> Tensor:
    """Numbers or truth values as a tensor; a tensor is returned as it is.

    Raises:
        ValueError: values are not an array of numbers.
    """
    if isinstance(values, Tensor):
        return values
    array = _array(name, values)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)  # a data frame of mixed columns
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} holds {_first_text(array)}, expected numbers") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}, expected numbers")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return torch.from_numpy(array.copy())  # a copy: never read-only, strided backwards or shared


def as_features(name: str, values: Array) -> Tensor:
    """Features as a tensor; integers that are not in a tensor become float64."""
    rows = as_tensor(name, values)
    if isinstance(values, Tensor) or rows.is_floating_point() or rows.dtype == torch.bool:
        return rows
    return rows.double()


def as_labels(name: str, values: Array) -> tuple[Tensor, tuple[str, ...] | None]:
    """Labels as integers, and the names they index, in alphabetical order; None for integer labels.

    The text "-1" is the unknown subject, as the number is.

    Raises:
        ValueError: labels are neither integers nor text.
    """
    (codes,), names = as_labels_alike({name: values})
    return codes, names


def as_labels_alike(labels: dict[str, Array]) -> tuple[list[Tensor], tuple[str, ...] | None]:
    """Several arrays of labels, by argument name, with one numbering; see `as_labels`."""
    arrays = {name: values if isinstance(values, Tensor) else _array(name, values) for name, values in labels.items()}
    texts = {
        name: array for name, array in arrays.items() if not isinstance(array, Tensor) and array.dtype.kind in "OUS"
    }
    if not texts:
        return [as_tensor(name, array) for name, array in arrays.items()], None
    if len(texts) < len(arrays):
        raise ValueError(f"{' and '.join(arrays)} hold numbers and text, expected labels of one kind")
    written = {name: _texts(name, array) for name, array in texts.items()}
    distinct = sorted({text for array in written.values() for text in array.flat} - {str(UNKNOWN)})
    numbers = {name: number for number, name in enumerate(distinct)} | {str(UNKNOWN): UNKNOWN}
    codes = [
        torch.tensor([numbers[text] for text in array.flat], dtype=torch.int64).reshape(array.shape)
        for array in written.values()
    ]
    return codes, tuple(distinct)


def strangers_apart(labels: Tensor, name: str = "labels", first: int = 0) -> Tensor:
    """Replace each unknown subject (-1) by a subject of its own, -2 - first - its position.

    Args:
        labels: integers, any shape.
        name: for errors.
        first: number of strangers in other labels.

    Raises:
        ValueError: labels hold -1 and other negative numbers.
    """
    unknown = labels == UNKNOWN
    if not bool(unknown.any()):
        return labels
    other = (labels < UNKNOWN).flatten().nonzero()
    if len(other):
        raise ValueError(
            f"{name} holds -1, an unknown subject, and {int(labels.flatten()[other[0]])}: number the known subjects "
            "from 0, or from 1 where -1 is one of them"
        )
    place = torch.arange(labels.numel(), device=labels.device).reshape(labels.shape)
    return torch.where(unknown, -2 - first - place, labels.long())


def known_rows(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The rows whose subject is known."""
    known = labels != UNKNOWN
    return (features, labels) if bool(known.all()) else (features[known.to(features.device)], labels[known])


def _array(name: str, values: npt.ArrayLike) -> npt.NDArray[np.generic]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} is not an array, its rows differ in length ({error}): expected rows of equal length"
        ) from error


def _texts(name: str, array: npt.NDArray[np.generic]) -> npt.NDArray[np.str_]:
    values: list[Any] = array.ravel().tolist()
    for place, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, str | bytes | int):
            raise ValueError(f"{name}[{place}] is {value!r}, expected text or an integer: -1 is an unknown subject")
    if len({isinstance(value, str | bytes) for value in values}) > 1:
        raise ValueError(f"{name} holds numbers and text, expected labels of one kind")
    return array.astype(np.str_)


def _first_text(array: npt.NDArray[np.generic]) -> str:
    return next((repr(value) for value in array.flat if not isinstance(value, int | float | np.number)), "objects")
