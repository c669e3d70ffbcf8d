"""The idx format: four bytes of magic, big-endian sizes, then the bytes themselves."""

import numpy as np
import numpy.typing as npt

from ._files import DataError


def parse_idx(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Return the array of bytes that an idx file holds.

    Args:
        data: the file's contents, uncompressed.
        name: what errors call the file.

    Raises:
        DataError: if it is not an idx file of unsigned bytes, or is longer or shorter than its header says.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7]), "two labels")
        array([5, 7], dtype=uint8)
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08" or data[3] == 0:
        raise DataError(
            f"{name} is not an idx file of bytes: it begins with {data[:4].hex() or 'nothing'}, "
            "expected 000008 and the number of dimensions; fetch it again"
        )
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{name} ends within its header, after {len(data)} of {start} bytes; fetch it again")
    shape = tuple(int(size) for size in np.frombuffer(data[4:start], dtype=">u4"))
    expected = start + int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise DataError(f"{name} holds {len(data)} bytes, but its header {shape} announces {expected}; fetch it again")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()
