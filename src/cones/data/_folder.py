"""A folder of images: one folder a class."""

from pathlib import Path

import torch
from torch import Tensor

from ._dataset import Dataset, Splits
from ._errors import DataError
from ._labels import encode
from ._pictures import is_picture, read_pictures
from ._split import as_given


def read_folder(name: str, path: Path, image_size: int | None) -> Dataset | Splits:
    """Return the images in the folders of `path`, each folder a class with the folder's name.

    With `path`/train and `path`/test, both of which hold folders, these are the two sides, and other folders
    beside them are not read. Hidden files and files that are not named like images are passed over.

    Args:
        name: what the set is called.
        path: the folder.
        image_size: pixels to stretch each image to; None if all have one size.

    Raises:
        DataError: if a folder is missing or empty, or an image cannot be read.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; expected one that holds a folder of images for each class")
    sides = (path / "train", path / "test")
    if all(side.is_dir() and class_folders(side) for side in sides):
        train, test = _labelled(sides[0]), _labelled(sides[1])
        is_test = torch.tensor([False] * len(train) + [True] * len(test))
        return as_given(_read(name, path, train + test, image_size), is_test)
    return _read(name, path, _labelled(path), image_size)


def read_flat_folder(path: Path, image_size: int | None) -> tuple[Tensor, tuple[str, ...]]:
    """Return the images that lie right in a folder, without labels, and their names, sorted.

    Args:
        path: the folder.
        image_size: pixels to stretch each image to; None if all have one size.

    Returns:
        (N, C, H, W) uint8, as of `read_pictures`, and the N names.

    Raises:
        DataError: if there is no such folder, it holds no image, or one cannot be read.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; expected one that holds images")
    images = sorted(file for file in path.iterdir() if is_picture(file))
    if not images:
        raise DataError(f"{path} holds no image (jpg, png, pgm, bmp, webp, ...); put images right into it")
    return read_pictures(str(path), images, image_size), tuple(image.name for image in images)


def _read(name: str, folder: Path, found: list[tuple[Path, str]], image_size: int | None) -> Dataset:
    classes, labels = encode([label for _, label in found])
    files = tuple(path.relative_to(folder).as_posix() for path, _ in found)
    return Dataset(name, read_pictures(name, [path for path, _ in found], image_size), labels, classes, files)


def _labelled(path: Path) -> list[tuple[Path, str]]:
    folders = class_folders(path)
    if not folders:
        loose = sum(is_picture(file) for file in path.iterdir())
        raise DataError(f"{path} holds no folders and {loose} images; expected one folder of images for each class")
    found = []
    for folder in folders:
        images = sorted(file for file in folder.iterdir() if is_picture(file))
        if not images:
            raise DataError(
                f"the class folder {folder} holds no image (jpg, png, pgm, bmp, webp, ...); "
                "put images right into it or take it away"
            )
        found += [(image, folder.name) for image in images]
    return found


def class_folders(path: Path) -> list[Path]:
    """The folders in `path` that are not hidden, sorted."""
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
