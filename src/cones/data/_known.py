"""A data set that is known by name: its facts, and how it is found and read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ._dataset import Dataset, Splits
from ._recipe import Recipe
from .pictures import resized


@dataclass(frozen=True)
class KnownSet:
    """A data set by name, complete but for its line in `_named.SETS`.

    Args:
        name: what to pass to `load`.
        about: what it shows.
        count: number of images.
        num_classes: number of classes.
        shape: channels, height and width in pixels.
        source: the package that it is fetched from.
        read: from the data folder and the image size in pixels, None for the set's own, to the data.
        on_disk: from the data folder to whether the set can be read without fetching.
        unseen: share of the classes that split "auto" holds out, where the set is split by identity; None where its
            split is given or drawn by sample.
        folder: name of its folder in the data folder, where that is another than the set's name.
    """

    name: str
    about: str
    count: int
    num_classes: int
    shape: tuple[int, int, int]
    source: str
    read: Callable[[Path, int | None], Dataset | Splits]
    on_disk: Callable[[Path], bool]
    unseen: float | None = None
    folder: str = ""


def from_recipe(
    recipe: Recipe,
    read: Callable[[Path], Dataset | Splits],
    *,
    installed: Callable[[], bool] = lambda: False,
    unseen: float | None = None,
) -> KnownSet:
    """Return the set that a recipe describes.

    Args:
        recipe: its facts and files.
        read: from the data folder to the data, in their own size.
        installed: whether it can be read from elsewhere than the recipe's files.
        unseen: as of `KnownSet`.
    """

    def read_in_size(root: Path, image_size: int | None) -> Dataset | Splits:
        data = read(root)
        return data if image_size is None else _resized(data, image_size)

    def on_disk(root: Path) -> bool:
        return all(recipe.find(file, root) for file in recipe.files) or installed()

    return KnownSet(
        name=recipe.name,
        about=recipe.about,
        count=recipe.count,
        num_classes=recipe.num_classes,
        shape=recipe.shape,
        source=f"{recipe.package.client}: {recipe.package.requirement}",
        read=read_in_size,
        on_disk=on_disk,
        unseen=unseen,
    )


def _resized(data: Dataset | Splits, image_size: int) -> Dataset | Splits:
    if isinstance(data, Splits):
        return Splits(_resized_side(data.train, image_size), _resized_side(data.test, image_size), data.kind)
    return _resized_side(data, image_size)


def _resized_side(data: Dataset, image_size: int) -> Dataset:
    return replace(data, inputs=resized(data.inputs, image_size))
