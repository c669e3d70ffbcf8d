"""Fonts for the glyph tests: the Latin fonts of matplotlib."""

import shutil
import string
from pathlib import Path

import matplotlib

from cones.data._fonts import Face

FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
LETTERS = tuple(string.ascii_letters + string.digits)


def face(name: str) -> Face:
    return Face("", FONTS / name, "", 0)


def folder_of(folder: Path, **names: str) -> Path:
    """A folder with a font of matplotlib under each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, font in names.items():
        shutil.copy(FONTS / font, folder / f"{name}.ttf")
    return folder
