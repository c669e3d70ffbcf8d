"""The files of data sets: their folder, and the error for those that are missing or damaged."""

import os
from pathlib import Path


class DataError(RuntimeError):
    """The files of a data set are missing, damaged, of an unknown form, or cannot be fetched.

    A wrong argument (an unknown name, a fraction outside 0..1) is a `ValueError` instead.
    """


def default_root() -> Path:
    """Return the data folder: the environment's CONES_DATA, else ~/.cache/cones."""
    return Path(os.environ.get("CONES_DATA") or "~/.cache/cones").expanduser().absolute()


def data_root(root: Path | None) -> Path:
    """Return `root` as an absolute path, or `default_root()` for None."""
    return default_root() if root is None else Path(root).expanduser().absolute()
