"""The training sets of insightface: train.rec and train.idx."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import DataError
from ._face_index import header, read_index, two_numbers
from ._image_record import ImageRecord, parse_image_record
from ._recordio import RecordFile, open_records


class Face(NamedTuple):
    """An image and its class.

    Args:
        image: the bytes of an image file, JPEG or PNG, still encoded.
        label: the class, 0..K-1.
    """

    image: bytes
    label: int


@dataclass(frozen=True, eq=False)
class FaceRecords:
    """The N images of a .rec file with their classes, read from the disk one by one on access.

    It is a map-style data set: `len` and indexing are all that a `torch.utils.data.DataLoader` needs, and each
    process opens the file for itself.

    Args:
        path: the .rec file.
        keys: (N,) int64, the images' keys in the index, ascending.
        offsets: (N,) int64, the byte at which the record of each begins.
        identities: (K,) int64, the byte at which the record of each identity begins; K = 0 where there are none.
    """

    path: Path
    keys: Tensor
    offsets: Tensor
    identities: Tensor

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"FaceRecords({str(self.path)!r}, {len(self)} images, {len(self.identities)} identities)"

    def __getitem__(self, position: int) -> Face:
        """The image at `position`, in 0..N-1.

        Raises:
            IndexError: if it is outside.
            DataError: if the record is damaged, has no image, or its label is not a class.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"position is {position}, but {self.path} has {len(self)} images")
        with open_records(self.path) as records:
            return _face(_record(records, int(self.offsets[position])), self._where(position))

    def __iter__(self) -> Iterator[Face]:
        with open_records(self.path) as records:
            for position, offset in enumerate(self.offsets.tolist()):
                yield _face(_record(records, offset), self._where(position))

    def identity_ranges(self) -> Tensor:
        """Return (K, 2) int64: the images of each identity have the keys from the first number up to the second.

        Raises:
            DataError: if the record of an identity is damaged or names keys that are none of an image.
        """
        ranges = []
        with open_records(self.path) as records:
            for offset in self.identities.tolist():
                record = _record(records, offset)
                start, stop = two_numbers(record, f"the identity at byte {offset} of {self.path}")
                if not 1 <= start <= stop <= len(self) + 1:
                    raise DataError(
                        f"the identity at byte {offset} of {self.path} has the images {start} up to {stop}; "
                        f"expected keys from 1 up to {len(self) + 1}"
                    )
                ranges.append((start, stop))
        return torch.tensor(ranges, dtype=torch.int64).reshape(-1, 2)

    def _where(self, position: int) -> str:
        return f"record {int(self.keys[position])} of {self.path}"


def read_face_records(path: Path | str, index: Path | str | None = None) -> FaceRecords:
    """Return the images of a .rec file, by its index.

    In the sets of insightface record 0 is a header without an image. Its two labels (a, b) say that the records
    1..a-1 are images, and a..b-1 identities, whose labels are the range of their images. A file without such a
    header, as MXNet's im2rec writes it, holds images alone.

    Args:
        path: the .rec file, RecordIO.
        index: the .idx file, lines of "key offset"; None for the one beside it, train.idx beside train.rec.

    Returns:
        `FaceRecords`, a map-style data set; no image is read yet.

    Raises:
        DataError: if a file cannot be read, the index does not fit the file or the header, or a record is damaged.

    Reference: J. Deng, J. Guo, N. Xue, S. Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face
        Recognition", CVPR 2019, arXiv 1801.07698, whose authors publish their training sets in this form.
    """
    path = Path(path)
    index = path.with_suffix(".idx") if index is None else Path(index)
    with open_records(path) as records:
        keys, offsets = read_index(index, records)
        counts = header(_record(records, int(offsets[0])), f"record {keys[0]} of {path}")
        if counts is None:
            return FaceRecords(path, torch.from_numpy(keys), torch.from_numpy(offsets), torch.empty(0).long())
        end, last = counts
        # the header counts in float32, which rounds past 2^24
        if keys[0] != 0 or keys[-1] != len(keys) - 1 or np.float32(len(keys)) != np.float32(last) or end > len(keys):
            raise DataError(
                f"the header of {path} announces images 1..{end - 1} and identities {end}..{last - 1}, but {index} "
                f"lists {len(keys)} keys from {keys[0]} to {keys[-1]}; do they belong together?"
            )
        for key, is_image in ((end - 1, end > 1), (end, False)):
            record = _record(records, int(offsets[key])) if key < len(keys) else None
            if record is not None and bool(record.image) != is_image:
                raise DataError(
                    f"the header of {path} announces images 1..{end - 1} and then identities, but record {key} is "
                    f"{'one of an image' if record.image else 'none of an image'}"
                )
    positions = torch.from_numpy(offsets)
    return FaceRecords(path, torch.arange(1, end), positions[1:end], positions[end:])


def iterate_faces(path: Path | str) -> Iterator[Face]:
    """Yield the images of a .rec file in the order of the file, for which no index is needed.

    Args:
        path: the .rec file, RecordIO, with or without the header of insightface.

    Yields:
        `Face`, one at a time.

    Raises:
        DataError: if the file cannot be read, a record is damaged, or there are fewer images than the header says.

    Reference: that of `read_face_records`.
    """
    path = Path(path)
    with open_records(path) as records:
        counts = None
        for number, content in enumerate(records):
            where = f"record {number} (counted from 0) of {path}"
            record = parse_image_record(content, where)
            if number == 0:
                counts = header(record, where)
                if counts is not None:
                    continue
            if counts is not None and number >= counts[0]:
                return  # the identities follow
            yield _face(record, where)
        if counts is not None and number + 1 < counts[0]:
            raise DataError(f"{path} ends after {number} images; expected {counts[0] - 1}, as its header says")


def _record(records: RecordFile, offset: int) -> ImageRecord:
    content, _ = records.read(offset)
    return parse_image_record(content, f"the record at byte {offset} of {records.path}")


def _face(record: ImageRecord, where: str) -> Face:
    if not record.image:
        raise DataError(f"{where} has no image; expected the bytes of an image file")
    return Face(record.image, record.label(where))
