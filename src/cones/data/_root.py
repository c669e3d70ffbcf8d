"""The data folder."""

import os
from pathlib import Path


def default_root() -> Path:
    """Return the data folder: the environment's CONES_DATA, else ~/.cache/cones."""
    return Path(os.environ.get("CONES_DATA") or "~/.cache/cones").expanduser().absolute()


def data_root(root: Path | None) -> Path:
    """Return `root` as an absolute path, or `default_root()` for None."""
    return default_root() if root is None else Path(root).expanduser().absolute()
