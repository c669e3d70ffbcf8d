"""Lists in plain text: their lines, their numbers, and names that stay inside a folder."""

import re
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..common.regular_file import not_a_file
from ..data import DataError

ListForm = Literal["auto", "csv", "lfw", "trials"]
"""Formats of a list of pairs; "auto" tells them apart by the first lines."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")  # surely within int64


def read_lines(path: Path, expected: str) -> list[tuple[int, str]]:
    """Return the lines that are not blank, stripped, each with its number from 1.

    Args:
        path: a text file in UTF-8.
        expected: the expectation in the error for an empty file.

    Raises:
        DataError: if the file cannot be read or holds nothing.
    """
    if fault := not_a_file(path):
        raise DataError(fault)
    try:
        text = path.read_text(encoding="utf-8-sig")  # an editor may begin it with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text in UTF-8: {error}") from error
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    lines = [(number, line) for number, line in lines if line]
    if not lines:
        raise DataError(f"{path} is empty; expected {expected}")
    return lines


def read_integers(path: Path, columns: str) -> npt.NDArray[np.int64]:
    """Return the rows (N, C) of a text file of whole numbers between spaces or tabs.

    Args:
        path: the file.
        columns: the C names of the columns, with spaces between them, for errors.

    Raises:
        DataError: if the file cannot be read, holds nothing, or a line is not C whole numbers.
    """
    width = len(columns.split())
    if fault := not_a_file(path):
        raise DataError(fault)
    try:
        with path.open(encoding="utf-8-sig") as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy warns of an empty file and of 1.5 read as 1
            rows = np.loadtxt(file, dtype=np.int64, comments=None, ndmin=2)
        if rows.shape[1] == width:
            return rows
    except (OSError, ValueError, UserWarning, DeprecationWarning):
        pass  # the lines are checked one by one below, for an error that names the wrong one
    lines = read_lines(path, f"lines of {columns}")
    return np.array([_integers(path, number, line, columns) for number, line in lines], dtype=np.int64)


def line_of(path: Path, row: int) -> int:
    """Return the number from 1 of the line that holds row `row` of `read_integers`."""
    return read_lines(path, "rows")[row][0]


def whole_number(text: str) -> int | None:
    """Return the whole number that `text` is, None if it is none (or has more than 18 digits)."""
    return int(text) if _WHOLE.fullmatch(text) else None


def member(name: str, where: str) -> str:
    """Return `name`, a path inside a folder, in its one form: "./a//b.jpg" is "a/b.jpg".

    Args:
        name: as a list writes it.
        where: beginning of errors, such as "line 7 of pairs.txt".

    Raises:
        DataError: if the path is empty, absolute or holds "..", and so could lead out of the folder.
    """
    form = PureWindowsPath(name)  # takes both kinds of slash for one, and knows drives
    if form.drive or form.root or ".." in form.parts or "\0" in name:
        raise DataError(f"{where} names {name!r}, which leads out of the folder; expected a path inside it")
    if not form.parts:
        raise DataError(f"{where} has an empty name; expected a path inside the folder")
    return PurePosixPath(name).as_posix()


def check_is_file(path: Path, where: str) -> None:
    """Raise a DataError if there is no file at `path`."""
    if fault := not_a_file(path):
        raise DataError(f"{where}: {fault}; is the folder right and complete?")


def _integers(path: Path, number: int, line: str, columns: str) -> list[int]:
    cells, width = line.split(), len(columns.split())
    if len(cells) != width:
        raise DataError(f"line {number} of {path} has {len(cells)} columns; expected {width}: {columns}")
    values = [whole_number(cell) for cell in cells]
    if None in values:
        raise DataError(f"line {number} of {path} has {cells[values.index(None)]!r}; expected whole numbers {columns}")
    return [value for value in values if value is not None]
