"""A folder of images: one folder a class."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from ._dataset import Dataset, Splits
from ._files import DataError
from ._scan import PassedOver, ScannedFolder, scan, tell
from ._split import as_given
from .labels import encode
from .pictures import read_pictures

_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")  # the first of these that is there
_KINDS = "jpg, png, pgm, bmp, webp, ..."


def read_folder(name: str, path: Path, image_size: int | None, *, nested: bool = False) -> Dataset | Splits:
    """Return the images in the folders of `path`, each folder a class with the folder's name.

    With `path`/train and `path`/test (or val where there is no test), both of which hold folders, these are the two
    sides. Files that are not read are reported in one line on stderr: images beside the class folders, those in other
    folders beside the two sides, those in folders below a class folder unless `nested`, broken links, and what Pillow
    cannot read. Hidden files are passed over without a word.

    Args:
        name: what the set is called.
        path: the folder.
        image_size: pixels to stretch each image to; None if all have one size.
        nested: whether images in folders below a class folder belong to that class.

    Raises:
        DataError: if a folder is missing or empty, or an image cannot be read.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; expected one that holds a folder of images for each class")
    scanned = scan(path)
    sides = _sides(scanned)
    if sides is None:
        pictures = _labelled(scanned, nested)
        tell(name, _passed_over(scanned, nested), path)
        return _read(name, path, pictures, image_size)
    train, test = (_labelled(side, nested) for side in sides)
    tell(name, chain(*(_passed_over(side, nested) for side in sides), _beside(scanned, sides)), path)
    is_test = torch.tensor([False] * len(train) + [True] * len(test))
    return as_given(_read(name, path, train + test, image_size), is_test)


def is_flat(path: Path) -> bool:
    """Say whether more images lie right in the folder `path` than in the folders below it, or it has no folders."""
    scanned = scan(path)
    return not scanned.folders or len(scanned.pictures) > sum(1 for _ in scanned.below())


def read_flat_folder(path: Path, image_size: int | None, *, nested: bool = False) -> tuple[Tensor, tuple[str, ...]]:
    """Return the images that lie right in a folder, without labels, and their names, sorted.

    Files that are not read are reported in one line on stderr, as by `read_folder`.

    Args:
        path: the folder.
        image_size: pixels to stretch each image to; None if all have one size.
        nested: whether images in the folders below are read too.

    Returns:
        (N, C, H, W) uint8, as of `read_pictures`, and the N names, relative to the folder.

    Raises:
        DataError: if there is no such folder, it holds no image, or one cannot be read.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; expected one that holds images")
    scanned = scan(path)
    images = sorted((*scanned.pictures, *scanned.below())) if nested else list(scanned.pictures)
    why = f"in folders below it, which nested:{path} reads"
    tell(
        str(path),
        chain([] if nested else (PassedOver(file, why) for file in scanned.below()), scanned.all_unread()),
        path,
    )
    if not images:
        raise DataError(f"{path} holds no image ({_KINDS}); put images directly in it")
    return read_pictures(str(path), images, image_size), tuple(image.relative_to(path).as_posix() for image in images)


def _read(name: str, folder: Path, pictures: list[tuple[Path, str]], image_size: int | None) -> Dataset:
    classes, labels = encode([label for _, label in pictures])
    paths = [path for path, _ in pictures]
    files = tuple(path.relative_to(folder).as_posix() for path in paths)
    return Dataset(name, read_pictures(name, paths, image_size), labels, classes, files)


def _sides(scanned: ScannedFolder) -> tuple[ScannedFolder, ScannedFolder] | None:
    """The folders of train and test, if there are both and both hold folders."""
    inner = {side.folder.name.lower(): side for side in scanned.folders if side.folders}
    train, test = ([inner[name] for name in names if name in inner] for names in (_TRAIN, _TEST))
    return (train[0], test[0]) if train and test else None


def _labelled(scanned: ScannedFolder, nested: bool) -> list[tuple[Path, str]]:
    """Images with the name of their class."""
    if not scanned.folders:
        raise DataError(
            f"{scanned.folder} holds no folders and {len(scanned.pictures)} images; "
            "expected one folder of images for each class"
        )
    pictures: list[tuple[Path, str]] = []
    for inner in scanned.folders:
        images = sorted((*inner.pictures, *inner.below())) if nested else list(inner.pictures)
        if not images:
            raise DataError(f"the class folder {inner.folder} holds no image {_hint(scanned.folder, inner)}")
        pictures += [(image, inner.folder.name) for image in images]
    return pictures


def _passed_over(scanned: ScannedFolder, nested: bool) -> Iterator[PassedOver]:
    """Files that `_labelled` does not read."""
    yield from (PassedOver(file, "beside the class folders") for file in scanned.pictures)
    if not nested:
        why = "in folders below a class folder, which nested:PATH reads"
        yield from (PassedOver(file, why) for inner in scanned.folders for file in inner.below())
    yield from scanned.all_unread()


def _beside(scanned: ScannedFolder, sides: tuple[ScannedFolder, ScannedFolder]) -> Iterator[PassedOver]:
    """Files in neither of the two sides."""
    why = f"neither in {sides[0].folder.name} nor in {sides[1].folder.name}"
    yield from (PassedOver(file, why) for file in scanned.pictures)
    yield from scanned.unread
    for inner in scanned.folders:
        if inner not in sides:
            yield from (PassedOver(file, why) for file in chain(inner.pictures, inner.below()))
            yield from inner.all_unread()


def _hint(path: Path, scanned: ScannedFolder) -> str:
    """Return the advice for a class folder that holds no image itself."""
    below = sum(1 for _ in scanned.below())
    if below:
        return (
            f"right in it, but {below} in folders below: nested:{path} takes them as its own, folder:{scanned.folder} "
            "takes those folders as classes"
        )
    reasons = sorted({file.why for file in scanned.all_unread() if file.why.startswith(".")})
    kinds = f"but {', '.join(reasons)}" if reasons else f"({_KINDS})"
    return f"{kinds}; put images directly in it or take it away"
