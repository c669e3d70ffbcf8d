"""A small data set of separable pictures, so that training tests take a second."""

from pathlib import Path

import numpy as np
import pytest

from cones.training import Run


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An npz of 12x12 pictures, 4 classes of 30: a bright quarter each, with noise."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    images = random.integers(0, 90, (120, 12, 12))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] += 120
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return path


@pytest.fixture
def small(digits) -> Run:
    """A run over them that takes well under a second."""
    return Run(
        data=f"npz:{digits}",
        feature_dim=2,
        width=0.125,
        epochs=3,
        batch_size=16,
        learning_rate=0.02,
        log_every=2,
        tensorboard=False,
        threads=1,
        device="cpu",
    )
