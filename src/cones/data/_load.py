"""Loading of a data set by its spec, in a train and a test side."""

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from cones.common.checks import check_seed

from ._dataset import Dataset, Splits
from ._files import DataError, data_root
from ._folder import read_folder
from ._glyphs_jis import UNSEEN, read_glyphs
from ._named import find, names
from ._split import by_identity, by_sample, whole
from .csv_files import read_csv
from .npz import read_npz

_Split = Literal["auto", "given", "sample", "identity"]
_FILES: dict[str, Callable[[str, Path, int | None], Dataset | Splits]] = {
    "folder": read_folder,
    "nested": partial(read_folder, nested=True),
    "npz": read_npz,
    "csv": read_csv,
}
_FORMS = (*_FILES, "glyphs")


def load(
    spec: str,
    *,
    split: _Split = "auto",
    test_fraction: float = 0.2,
    seed: int = 0,
    image_size: int | None = None,
    root: Path | None = None,
) -> Splits:
    """Return a data set, by name or from your own files, in a train and a test side.

    Args:
        spec: a name that `named()` lists, such as "mnist5k", which is fetched the first time; or
            "folder:PATH", one folder of images a class (or PATH/train and PATH/test, or PATH/val, each so);
            "nested:PATH", the same, and images in folders below a class folder belong to that class;
            "npz:PATH", arrays features or images, and labels (or train_images, train_labels, and so on);
            "csv:PATH", lines of path,label or path,label,split;
            "glyphs:PATH", a folder of fonts that draw the kanji of glyphs-jis.
        split: "given" is the split that the set comes with; "sample" draws from each class; "identity" draws
            whole classes, so that test has none of train's; "auto" is given where there is one, else sample,
            and for faces-orl identity with half of the people a side, for glyphs with 2000 kanji to train and 965
            to test.
        test_fraction: in (0, 1), of the samples or the classes, for a split that is drawn; "auto" of
            faces-orl and glyphs does not use it.
        seed: of the draw.
        image_size: pixels; images are stretched to this width and height, and glyphs drawn so. Needed where
            sizes differ.
        root: the data folder for the sets known by name; None for `default_root()`.

    Raises:
        ValueError: if an argument is not as it should be, or a number in the data is not finite.
        DataError: if files are missing, damaged, of an unknown form or cannot be fetched, or if the data has
            too few classes or samples.

    Example:
        >>> from tempfile import mkdtemp
        >>> import numpy as np
        >>> path = mkdtemp() + "/points.npz"
        >>> np.savez(path, features=np.eye(10), labels=["a", "b"] * 5)
        >>> load(f"npz:{path}", test_fraction=0.4).test.labels
        tensor([...])
    """
    if split not in get_args(_Split):
        raise ValueError(f"split is {split!r}; expected one of {', '.join(get_args(_Split))}")
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; expected a number between 0 and 1, both excluded")
    check_seed(seed)
    _check_image_size(image_size)
    data = _read(spec, image_size, data_root(root))
    if isinstance(data, Splits):
        if split in ("auto", "given"):
            return _checked(data)
        data = whole(data)
    elif split == "given":
        raise ValueError(f"split is 'given', but {spec} comes without a split; use 'sample' or 'identity'")
    unseen = _unseen(spec)
    if split == "auto" and unseen is not None:
        return by_identity(data, unseen, seed)
    _check_classes(data)
    return by_identity(data, test_fraction, seed) if split == "identity" else by_sample(data, test_fraction, seed)


def load_whole(spec: str, *, image_size: int | None = None, root: Path | None = None) -> Dataset:
    """Return all samples of a data set, where it has a train and a test side those of train first.

    Args:
        spec: as of `load`.
        image_size: as of `load`.
        root: as of `load`.

    Raises:
        ValueError, DataError: as `load`, but one class and one sample will do.

    Example:
        >>> from tempfile import mkdtemp
        >>> import numpy as np
        >>> path = mkdtemp() + "/points.npz"
        >>> np.savez(path, features=np.eye(3), labels=["a", "a", "a"])
        >>> load_whole(f"npz:{path}").labels
        tensor([0, 0, 0])
    """
    _check_image_size(image_size)
    data = _read(spec, image_size, data_root(root))
    return whole(data) if isinstance(data, Splits) else data


def _check_image_size(image_size: int | None) -> None:
    if image_size is not None and image_size < 1:
        raise ValueError(f"image_size is {image_size}; expected at least 1 pixel, or None to keep the size")


def _read(spec: str, image_size: int | None, root: Path) -> Dataset | Splits:
    prefix, colon, path = spec.partition(":")
    if colon and prefix in _FORMS:
        if not path:
            raise ValueError(f"spec is {spec!r}; expected a path after {prefix}:")
        where = Path(path).expanduser()
        if prefix == "glyphs":
            return read_glyphs(spec, where, image_size, root)
        return _FILES[prefix](spec, where, image_size)
    known = find(spec)
    if known is None:
        raise ValueError(f"spec is {spec!r}, which is not a known data set; {_advice(spec)}")
    return known.read(root, image_size)


def _unseen(spec: str) -> float | None:
    """Return the share of the classes that split "auto" holds out; None where it does not split by identity."""
    known = find(spec)
    if known is not None:
        return known.unseen
    return UNSEEN if spec.startswith("glyphs:") else None


def _checked(splits: Splits) -> Splits:
    _check_classes(splits.train)
    return splits


def _check_classes(data: Dataset) -> None:
    if data.num_classes < 2:
        raise DataError(f"{data.name} has one class, {data.classes[0]!r}; expected two or more to tell apart")


def _advice(spec: str) -> str:
    """Return the specs that are expected, after the one that the caller may have meant."""
    forms = [f"{prefix}:PATH" for prefix in _FORMS]
    prefix, colon, path = spec.partition(":")
    close = difflib.get_close_matches(prefix.lower(), _FORMS if colon else names(), n=1)
    if Path(spec).expanduser().exists():
        kind = {".npz": "npz", ".csv": "csv"}.get(Path(spec).suffix.lower(), "folder")
        meant = f"did you mean {kind}:{spec}? "
    elif close:
        meant = f"did you mean {close[0]}{colon}{path}? "
    else:
        meant = ""
    return f"{meant}expected one of {', '.join([*names(), *forms])}"
