"""RecordIO, the container of MXNet: records one after another, each behind a magic word and its length.

    0xced7230a | flag 3 bits, length 29 bits | the bytes | zeros up to a multiple of 4      all words little-endian

The magic word must not stand inside a record, or none could be found again after damage. Where it does, at a multiple
of 4, the writer leaves it out and cuts the record there: flag 1 is the first part, 2 one in the middle, 3 the last; a
record in one part has flag 0.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..common.regular_file import not_a_file
from ..data import DataError

_MAGIC = struct.pack("<I", 0xCED7230A)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


@dataclass(frozen=True)
class RecordFile:
    """An open RecordIO file.

    Args:
        path: for errors.
        file: open for reading.
        size: in bytes.
    """

    path: Path
    file: BinaryIO
    size: int

    def read(self, offset: int) -> tuple[bytes, int]:
        """Return the record that begins at byte `offset`, and where the next begins.

        Raises:
            DataError: if no whole record begins there.
        """
        if not 0 <= offset < self.size or offset % 4:
            raise DataError(
                f"{self.path} has no record at byte {offset}; expected a multiple of 4 below its size, {self.size}"
            )
        parts: list[bytes] = []
        place = offset
        while True:
            flag, part, place = self._part(place)
            expected = (_MIDDLE, _LAST) if parts else (_WHOLE, _FIRST)
            if flag not in expected:
                raise DataError(
                    f"{self.path} has a part with flag {flag} in the record at byte {offset}; "
                    f"expected {expected[0]} or {expected[1]}; fetch the file again"
                )
            parts.append(part)
            if flag in (_WHOLE, _LAST):
                return _MAGIC.join(parts), place

    def __iter__(self) -> Iterator[bytes]:
        """All records, in the order of the file."""
        offset = 0
        while offset < self.size:
            record, offset = self.read(offset)
            yield record

    def _part(self, place: int) -> tuple[int, bytes, int]:
        """Flag and bytes of the part at `place`, and where the next begins."""
        self.file.seek(place)
        head = self.file.read(8)
        if len(head) < 8:
            raise DataError(
                f"{self.path} is cut short: it ends at byte {self.size}, in the head of a record at {place}"
            )
        if head[:4] != _MAGIC:
            raise DataError(
                f"{self.path} has {head[:4].hex()} at byte {place}; expected {_MAGIC.hex()}, with which each record "
                "begins; is it a complete RecordIO file, and does the index belong to it?"
            )
        (word,) = struct.unpack("<I", head[4:])
        flag, length = word >> 29, word & (2**29 - 1)
        end = place + 8 + (length + 3) // 4 * 4
        if end > self.size:
            raise DataError(f"{self.path} is cut short: the record at byte {place} reaches to {end} of {self.size}")
        return flag, self.file.read(length), end


@contextmanager
def open_records(path: Path) -> Iterator[RecordFile]:
    """Open a RecordIO file.

    Raises:
        DataError: if the file cannot be opened or holds nothing.
    """
    if fault := not_a_file(path):
        raise DataError(fault)
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise DataError(f"{path} is empty; expected a RecordIO file")
        yield RecordFile(path, file, size)
