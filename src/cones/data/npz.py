"""NumPy's .npz files: arrays of images or features, with labels."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cones.common.regular_file import not_a_file

from ._dataset import Dataset, Splits
from ._files import DataError
from ._split import as_given
from .labels import encode
from .pictures import resized

_EXPECTED = (
    "expected features or images, with labels; or train_images, train_labels, test_images, test_labels "
    "(or features for images)"
)
Array = npt.NDArray[Any]


def read_npz(name: str, path: Path, image_size: int | None) -> Dataset | Splits:
    """Return the arrays of an .npz file.

    Arrays: `features` (N, D) of any real dtype, or `images` (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or
    3 channels, as integers in 0..255 or as floats in [0, 1]; and `labels` (N,), integers or strings. Or, as
    the set's own split, each of these twice with train_ and test_ before its name.

    Args:
        name: what the set is called.
        path: the file. Pickled arrays in it are refused: to read them could run any code.
        image_size: pixels to stretch each image to; None to keep them.

    Raises:
        DataError: if the file cannot be read, or an array is missing or not as it should be.
        ValueError: if a feature is not finite.
    """
    arrays = read_arrays(path, _EXPECTED)
    given = any(key.startswith(("train_", "test_")) for key in arrays)
    sides = ("train_", "test_") if given else ("",)
    kinds = [kind for kind in ("features", "images") if all(side + kind in arrays for side in sides)]
    if len(kinds) != 1 or not all(side + "labels" in arrays for side in sides):
        wanted = [side + kind for side in sides for kind in ("features", "images", "labels")]
        raise DataError(
            f"{path} holds the arrays {', '.join(sorted(arrays)) or '(none)'}; {_EXPECTED}{misspelt(arrays, wanted)}"
        )
    if kinds == ["features"] and image_size is not None:
        raise ValueError(f"image_size is {image_size}, but {path} holds features; expected None")
    inputs, labels = [], []
    for side in sides:
        values, classes = arrays[side + kinds[0]], arrays[side + "labels"]
        _check_labels(classes, f"{side}labels of {path}", values)
        read = _images if kinds == ["images"] else _features
        tensor = read(values, f"{side}{kinds[0]} of {path}")
        inputs.append(tensor if image_size is None else resized(tensor, image_size))
        labels.append(classes.astype(str))
    if inputs[0].shape[1:] != inputs[-1].shape[1:]:
        shapes = [tuple(part.shape[1:]) for part in inputs]
        raise DataError(f"train and test of {path} hold inputs {shapes[0]} and {shapes[1]}; expected one shape")
    names, codes = encode(np.concatenate(labels))
    data = Dataset(name, torch.cat(inputs), codes, names)
    return as_given(data, torch.arange(len(data)) >= len(inputs[0])) if given else data


def read_arrays(path: Path, expected: str) -> dict[str, Array]:
    """Return the arrays of an .npz file by name, without unpickling any.

    Args:
        path: the file.
        expected: what errors say should be in it, beginning with "expected".

    Raises:
        DataError: if it is not a complete .npz file, or holds pickled objects.
    """
    if fault := not_a_file(path):
        raise DataError(f"{fault}; {expected}")
    try:
        with path.open("rb") as file:  # opened here, so that it is closed even where np.load fails
            if not zipfile.is_zipfile(file):
                raise ValueError("it is not a complete zip file")
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            return {key: arrays[key] for key in arrays.files}
    except (OSError, EOFError, MemoryError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise array_error(path, error, f"an .npz file ({error}); {expected}") from error


def misspelt(held: Iterable[str], wanted: Iterable[str]) -> str:
    """Return '; rename label to labels' for an array that is there under nearly a name that is wanted, else nothing."""
    held = list(held)
    by_plain = {_plain(name): name for name in wanted if name not in held}
    near = [f"{name} to {by_plain[_plain(name)]}" for name in sorted(held) if _plain(name) in by_plain]
    return f"; rename {' and '.join(near)}" if near else ""


def _plain(name: str) -> str:
    """A name without case, underscores and the s of a plural."""
    return name.lower().replace("_", "").removesuffix("s")


def array_error(path: Path, error: Exception, what: str) -> DataError:
    """Return what to say of a file at which NumPy raised `error`: it is pickled, or cannot be read as `what`."""
    if isinstance(error, ValueError) and "allow_pickle" in str(error):
        return DataError(
            f"{path} holds pickled Python objects, which are not read because they could run any code; "
            "save plain arrays of numbers or strings"
        )
    return DataError(f"{path} cannot be read as {what}")


def _features(values: Array, what: str) -> Tensor:
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise DataError(f"{what} is {values.shape} {values.dtype}; expected (N, D) real numbers")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes an infinity, which Dataset refuses
        return torch.from_numpy(values.astype(np.float32))


def _images(values: Array, what: str) -> Tensor:
    if values.ndim == 3:
        values = values[:, None]
    elif values.ndim == 4 and values.shape[3] in (1, 3) and values.shape[1] not in (1, 3):
        values = values.transpose(0, 3, 1, 2)
    elif values.ndim != 4 or values.shape[1] not in (1, 3) or values.shape[3] in (1, 3):
        raise DataError(
            f"{what} is {values.shape}; expected (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1 or 3 in one place"
        )
    if values.dtype.kind not in "fiu":
        raise DataError(f"{what} is {values.dtype}; expected integers in 0..255 or floats in [0, 1]")
    floats = values.dtype.kind == "f"
    fits = (values >= 0) & (values <= (1 if floats else 255))  # a NaN does not
    if not fits.all():
        where = tuple(int(place) for place in np.argwhere(~fits)[0])
        raise DataError(
            f"{what} is {values.dtype}, and image {where[0]} holds {values[where]}; "
            "expected finite floats in [0, 1] or integers in 0..255; save the images as uint8"
        )
    pixels = (values * 255).round() if floats else values
    return torch.from_numpy(np.ascontiguousarray(pixels.astype(np.uint8)))


def _check_labels(labels: Array, what: str, values: Array) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        raise DataError(f"{what} is {labels.shape} {labels.dtype}; expected (N,) integers or strings")
    if values.ndim == 0 or len(labels) != len(values):
        raise DataError(f"{what} has {len(labels)} entries for inputs {values.shape}; expected one for each")
    if len(labels) == 0:
        raise DataError(f"{what} is empty; expected at least one sample")
