"""Small trained runs for tests of their results."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from cones.training import Run, fit

Precision = Literal["float32", "bfloat16", "float64", "auto"]


def write_pictures(path: Path) -> str:
    """An npz of 16x16 pictures, 4 classes of 30: a bright quarter each, with noise."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    images = random.integers(0, 90, (120, 16, 16))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 120
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return f"npz:{path}"


def write_vectors(path: Path) -> str:
    """An npz of vectors of 6 numbers, 4 classes of 30 around 4 of the axes."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    np.savez(path, features=np.eye(6)[labels] + 0.1 * random.standard_normal((120, 6)), labels=labels)
    return f"npz:{path}"


def train(folder: Path, backbone: str, precision: Precision = "float32") -> Path:
    """The folder of a run of that backbone, trained for an epoch; mlp and identity take vectors."""
    folder.mkdir(parents=True)
    write = write_vectors if backbone in ("mlp", "identity") else write_pictures
    run = Run(
        data=write(folder / "data.npz"),
        backbone=backbone,
        precision=precision,
        feature_dim=3,
        width=0.125,
        epochs=1,
        batch_size=16,
        tensorboard=False,
        threads=1,
        device="cpu",
    )
    list(fit(run, folder / "run"))
    return folder / "run"


def leave(lines: Iterator[object], after: int) -> None:
    """Take the first lines of a run or a comparison, as many as `after`, and close it."""
    for _ in range(after):
        next(lines)
    assert isinstance(lines, Generator)
    lines.close()
