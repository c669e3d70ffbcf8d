import numpy as np
import pytest

from cones.data import DataError
from cones.data._idx import parse_idx

WHOLE = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(6))


def test_sizes_are_big_endian_and_the_array_can_be_written_to() -> None:
    array = parse_idx(WHOLE, "toy")
    assert np.array_equal(array, np.arange(6, dtype=np.uint8).reshape(2, 3))
    array[0, 0] = 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "toy is not an idx file of bytes: it begins with nothing"),
        (b"\x89PNG....", "toy is not an idx file of bytes: it begins with 89504e47"),
        (b"\x00\x00\x0d\x01" + bytes(8), "it begins with 00000d01, expected 000008"),
        (WHOLE[:9], "toy ends within its header, after 9 of 12 bytes"),
        (WHOLE[:-1], r"toy holds 17 bytes, but its header \(2, 3\) announces 18"),
        (WHOLE + b"x", "toy holds 19 bytes"),
    ],
    ids=["empty", "another format", "floats", "cut header", "cut", "too long"],
)
def test_a_damaged_file_is_named(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_idx(data, "toy")
