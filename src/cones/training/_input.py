"""What a run's backbone takes, kept in the run's folder, so that the weights can be used without the data."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..data import Dataset, Splits
from ..files import write_text
from ._fingerprint import fingerprints


@dataclass(frozen=True)
class Input:
    """What one sample is.

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
    """What one sample of a data set is."""
    return Input(tuple(train.inputs.shape[1:]), train.num_classes)


def write_input(path: Path, splits: Splits) -> None:
    """Write it as JSON, with fingerprints of both sides of the data."""
    write_text(path, json.dumps(asdict(input_of(splits.train)) | fingerprints(splits)) + "\n")


def read_input(path: Path) -> Input:
    """Read what `write_input` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it was not written by `write_input`.
    """
    try:
        written: Any = json.loads(path.read_text(encoding="utf-8"))
        return Input(tuple(int(size) for size in written["shape"]), int(written["num_classes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is broken ({error!r}): delete it, and it is made anew from the data") from error
