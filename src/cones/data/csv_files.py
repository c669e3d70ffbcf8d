"""A csv file that lists images with their labels."""

import csv
from pathlib import Path, PurePosixPath

import torch

from cones.common.regular_file import not_a_file

from ._dataset import Dataset, Splits
from ._files import DataError
from ._scan import PassedOver, tell
from ._split import as_given
from .labels import encode
from .pictures import read_pictures

_COLUMNS = ("path", "label", "split")
_EXPECTED = "expected path,label or path,label,split"


def read_csv(name: str, path: Path, image_size: int | None) -> Dataset | Splits:
    """Return the images that a csv file lists.

    Its columns are path, label and, if the set has a split of its own, split: "train", "test" or "val". Where there is
    no test, val is the test side; where there is, the images of val are not read, which one line on stderr tells. A
    first line with these names may put them in any order, among others. Paths are relative to the file's folder.

    Args:
        name: what the set is called.
        path: the csv file, UTF-8, separated by commas.
        image_size: pixels to stretch each image to; None if all have one size.

    Raises:
        DataError: if the file or an image cannot be read, or a line is not as it should be.
    """
    rows = _rows(path)
    _check_labels(path, rows)
    if len(rows[0][1]) == 3:
        rows = _two_sides(name, path, rows)
    classes, labels = encode([row[1] for _, row in rows])
    images = [path.parent / row[0] for _, row in rows]
    for (line, _), image in zip(rows, images, strict=True):
        if fault := not_a_file(image):
            raise DataError(
                f"line {line} of {path}: {fault}; expected a path relative to {path.parent} (a first line of names "
                "must hold path,label)"
            )
    files = tuple(row[0] for _, row in rows)
    data = Dataset(name, read_pictures(name, images, image_size), labels, classes, files)
    if len(rows[0][1]) == 2:
        return data
    return as_given(data, torch.tensor([row[2] != "train" for _, row in rows]))


def read_table(path: Path) -> list[tuple[int, list[str]]]:
    """Return the line number and the stripped cells of each row of a csv file that is not blank.

    Raises:
        DataError: if the file cannot be read as a csv file in UTF-8.
    """
    if fault := not_a_file(path):
        raise DataError(fault)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet may begin it with a mark
            reader = csv.reader(file)
            return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a csv file in UTF-8: {error}") from error


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The line number and the cells path, label[, split] of each row."""
    table = read_table(path)
    columns = _columns(table[0][1]) if table else None
    width = len(table[0][1]) if table else 0
    table = table[1:] if columns else table
    columns = columns or list(range(width))
    if not table:
        raise DataError(f"{path} lists no image; expected lines of path,label")
    if len(columns) not in (2, 3):
        raise DataError(f"line 1 of {path} has {width} columns; {_EXPECTED}")
    rows = []
    for line, cells in table:
        if len(cells) != width:
            raise DataError(f"line {line} of {path} has {len(cells)} columns, the first has {width}; {_EXPECTED}")
        row = [cells[column] for column in columns]
        if not row[0] or not row[1]:
            raise DataError(f"line {line} of {path} has an empty {_COLUMNS[not row[1]]}; {_EXPECTED}")
        if len(row) == 3 and row[2] not in ("train", "test", "val"):
            raise DataError(f"line {line} of {path} has split {row[2]!r}; expected train, test or val")
        rows.append((line, row))
    return rows


def _two_sides(name: str, path: Path, rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The rows of train and test, or of train and val where there is no test."""
    if all(row[2] != "test" for _, row in rows):
        return rows
    left = [PassedOver(path.parent / row[0], "neither in train nor in test") for _, row in rows if row[2] == "val"]
    tell(name, left, path.parent)
    return [(line, row) for line, row in rows if row[2] != "val"]


def _check_labels(path: Path, rows: list[tuple[int, list[str]]]) -> None:
    """Raise a DataError if a picture has two labels."""
    first: dict[PurePosixPath, tuple[int, str]] = {}
    for line, row in rows:
        earlier, label = first.setdefault(PurePosixPath(row[0]), (line, row[1]))
        if label != row[1]:
            raise DataError(
                f"lines {earlier} and {line} of {path} give {row[0]} the labels {label!r} and {row[1]!r}; expected one"
            )


def _columns(first: list[str]) -> list[int] | None:
    """Columns of path, label[, split] if the first line holds names, else None."""
    names = [cell.lower() for cell in first]
    if not {"path", "label"} <= set(names):
        return None
    return [names.index(column) for column in _COLUMNS if column in names]
