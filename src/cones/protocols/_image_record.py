"""Content of an MXNet record: labels and an image file."""

import struct
from dataclasses import dataclass

from ..data import DataError

_HEAD = struct.Struct("<IfQQ")  # flag, label, id, id2


@dataclass(frozen=True)
class ImageRecord:
    """Labels and an image file.

    Args:
        labels: the label, or the array of labels that the record holds instead.
        id: the number that the writer gave it.
        image: the file, JPEG or PNG, still encoded; empty in the header and in the records of identities.
    """

    labels: tuple[float, ...]
    id: int
    image: bytes

    def label(self, where: str) -> int:
        """Return the first label as a class.

        Raises:
            DataError: if it is not a whole number from 0 to 2^24, up to which float32 holds them all.
        """
        label = self.labels[0]
        if not (label.is_integer() and 0 <= label <= 2**24):
            raise DataError(f"{where} has the label {label:g}; expected a whole number from 0 to 2^24")
        return int(label)


def parse_image_record(record: bytes, where: str) -> ImageRecord:
    """Return the content of a record: flag, label, id, id2, then `flag` float32 labels if flag > 0, then the image.

    Args:
        record: its bytes.
        where: name of the record in errors.

    Raises:
        DataError: if it is shorter than its head and its labels.
    """
    if len(record) < _HEAD.size:
        raise DataError(
            f"{where} has {len(record)} bytes; expected {_HEAD.size} of header or more: not an image record"
        )
    flag, label, number, _ = _HEAD.unpack_from(record)
    end = _HEAD.size + 4 * flag
    if len(record) < end:
        raise DataError(f"{where} announces {flag} labels, {4 * flag} bytes, but has {len(record) - _HEAD.size}")
    labels = struct.unpack_from(f"<{flag}f", record, _HEAD.size) if flag else (label,)
    return ImageRecord(labels, number, record[end:])
