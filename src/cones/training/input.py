"""Input of a run's backbone, kept in the run's folder, so that the weights can be used without the data."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeGuard

import torch

from ..common.atomic_files import write_text
from ..common.expressions import brief
from ..common.run_folder import read_object
from ..data import Dataset, Splits
from ._fingerprint import fingerprints
from ._validation_set import ValidationSet


@dataclass(frozen=True)
class Input:
    """Shape of one sample, and the number of classes.

    Args:
        shape: (C, H, W) of images, or (features,) of vectors.
        num_classes: K, that the run was trained on.
    """

    shape: tuple[int, ...]
    num_classes: int

    @property
    def images(self) -> bool:
        """Whether samples are images."""
        return len(self.shape) == 3

    @property
    def dtype(self) -> torch.dtype:
        """uint8 for images, float32 for vectors."""
        return torch.uint8 if self.images else torch.float32

    @property
    def image_size(self) -> int | None:
        """Side in pixels of square images; None for others and for vectors."""
        return self.shape[1] if self.images and self.shape[1] == self.shape[2] else None


def input_of(train: Dataset) -> Input:
    """Return the input that a data set gives."""
    return Input(tuple(train.inputs.shape[1:]), train.num_classes)


def write_input(path: Path, splits: Splits, validation: ValidationSet | None = None) -> None:
    """Write it as JSON, with fingerprints of both sides of the data and of the validation set."""
    write_text(path, json.dumps(asdict(input_of(splits.train)) | fingerprints(splits, validation)) + "\n")


def read_input(path: Path) -> Input:
    """Read what `write_input` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it was not written by `write_input`.
    """
    try:
        written = read_object(path)
        shape, num_classes = written.get("shape"), written.get("num_classes")
        if not isinstance(shape, list) or len(shape) not in (1, 3) or not all(_is_size(size) for size in shape):
            raise ValueError(f"shape is {brief(repr(shape))}, expected [channels, height, width] or [features]")
        if math.prod(shape) >= 2**31:
            raise ValueError(f"shape is {shape}, a sample of {math.prod(shape):,} numbers, expected below 2^31")
        if not _is_size(num_classes):
            raise ValueError(f"num_classes is {brief(repr(num_classes))}, expected a whole number of at least 1")
        return Input(tuple(shape), num_classes)
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise ValueError(f"{path} is broken ({error}): delete it, and it is recreated from the data") from error


def _is_size(value: object) -> TypeGuard[int]:
    return type(value) is int and 1 <= value < 2**31
