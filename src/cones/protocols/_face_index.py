"""The index of a .rec file, and the header and identities of insightface's sets."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..data import DataError
from ._image_record import ImageRecord
from ._recordio import RecordFile
from .lines import line_of, read_integers

_Integers = npt.NDArray[np.int64]


def read_index(path: Path, records: RecordFile) -> tuple[_Integers, _Integers]:
    """Return the keys, ascending, and their offsets (N,) of an index.

    Args:
        path: the .idx file, lines of "key offset".
        records: the file that it belongs to.

    Raises:
        DataError: if the index cannot be read, repeats itself, or does not span the file from end to end.
    """
    rows = read_integers(path, "key offset")
    for column, what in enumerate(("key", "offset")):
        order = np.argsort(rows[:, column], kind="stable")
        again = np.flatnonzero(np.diff(rows[order, column]) == 0)
        if len(again):
            lines = " and ".join(str(line_of(path, row)) for row in order[again[0] : again[0] + 2])
            raise DataError(f"lines {lines} of {path} have the same {what}, {rows[order[again[0]], column]}")
    wrong = np.flatnonzero((rows[:, 1] < 0) | (rows[:, 1] >= records.size) | (rows[:, 1] % 4 != 0))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"line {line_of(path, row)} of {path} has the offset {rows[row, 1]}, but {records.path} has {records.size} "
            "bytes; expected a multiple of 4 below; do they belong together?"
        )
    first, (_, end) = int(rows[:, 1].min()), records.read(int(rows[:, 1].max()))
    if first != 0 or end != records.size:
        raise DataError(
            f"{path} lists records from byte {first} to {end}, but {records.path} has {records.size} bytes; "
            "do they belong together, and are they complete?"
        )
    rows = rows[np.argsort(rows[:, 0])]
    return rows[:, 0].copy(), rows[:, 1].copy()


def header(record: ImageRecord, where: str) -> tuple[int, int] | None:
    """Return the keys at which the images and the identities end; None if the record is one of an image.

    Raises:
        DataError: if the record has no image, but is not a header either.
    """
    if record.image:
        return None
    end, last = two_numbers(record, f"the header, {where},")
    if not 1 <= end <= last:
        raise DataError(f"the header, {where}, has the labels {end} and {last}; expected 1 <= first <= second")
    return end, last


def two_numbers(record: ImageRecord, where: str) -> tuple[int, int]:
    """Return the two labels of a header or an identity.

    Raises:
        DataError: if there are not two, one is not a whole number, or there is an image too.
    """
    labels = record.labels
    if record.image or len(labels) != 2 or not all(label.is_integer() for label in labels):
        texts = ", ".join(f"{label:g}" for label in labels[:4])
        raise DataError(
            f"{where} has {len(labels)} labels ({texts}) and {len(record.image)} bytes of an image; "
            "expected two whole numbers and no image"
        )
    return int(labels[0]), int(labels[1])
