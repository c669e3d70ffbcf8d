"""Tensors in a safetensors file with a checksum of each, so that a flipped bit is an error and not another result.

Checksums are CRC-32: any flipped bit, and any run of flipped bits up to 32 long, changes them. They tell damage, not
malice: who can write a file can write its checksums.
"""

import json
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .extras import require

CHECKSUM, CHECKED = "checksum", "checksum_of"
"""Entries of the metadata: the checksums, and what has one. Either without the other is damage."""

ALGORITHM = "crc32 of each tensor and of the metadata"


class DamagedError(ValueError):
    """Raised for a file that is not a safetensors file, or whose checksums do not match."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata, with their checksums, straight to `path` (see `cones.common.atomic_files.replacing`).

    Args:
        path: the file.
        tensors: by name; copied to the CPU in C order, so that they may share memory.
        metadata: text by name.

    Raises:
        OSError: the disk is full, or the like.
    """
    require("a .safetensors file", "safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # tied weights that share memory, and channels that lie last, are what the format refuses
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    try:
        save_file(copies, path, {**metadata, CHECKSUM: json.dumps(_checksums(copies, metadata)), CHECKED: ALGORITHM})
    except SafetensorError as error:
        of_system = re.search(r"I/O error: (.+?) \(os error (\d+)\)", str(error))
        raise (OSError(int(of_system[2]), of_system[1]) if of_system else OSError(str(error))) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and metadata, and check them where the file has checksums; the checksums are left out.

    Returns:
        tensors by name, on the CPU, and the metadata.

    Raises:
        DamagedError: the file is not a safetensors file, or a tensor or the metadata are not what was written.
        OSError: it cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.safetensors"
        >>> write_tensors(path, {"weight": torch.eye(2)}, {"format": "mine"})
        >>> read_tensors(path)
        ({'weight': tensor([[1., 0.], [0., 1.]])}, {'format': 'mine'})
    """
    require("a .safetensors file", "safetensors")
    from safetensors import SafetensorError, safe_open

    _check_length(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        text = " ".join(str(error).split())[:160]
        raise DamagedError(f"it is cut off: {text}" if "not fully covered" in text else text) from error
    written, algorithm = metadata.pop(CHECKSUM, None), metadata.pop(CHECKED, None)
    if written is None and algorithm is None:
        return tensors, metadata  # of an older version, or of others
    if written is None or algorithm != ALGORITHM:
        raise DamagedError(f"its checksums are damaged: {CHECKED} is {algorithm!r:.80}")
    _check(written, _checksums(tensors, metadata))
    return tensors, metadata


MOST_HEADER = 100_000_000
"""Bytes of a header at most, as the format allows."""


def metadata_in(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file, unchecked; nothing for a file of another kind."""
    return _header_of(path)[1]


def names_in(path: Path) -> set[str]:
    """Return the names of the tensors in a safetensors file; none for a file of another kind."""
    return _header_of(path)[0]


def _header_of(path: Path) -> tuple[set[str], dict[str, str]]:
    require("a .safetensors file", "safetensors")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return set(file.keys()), dict(file.metadata() or {})
    except SafetensorError:
        return set(), {}


def _check_length(path: Path) -> None:
    """Raise DamagedError for a file that ends within its header."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(9)
    header = int.from_bytes(start[:8], "little")
    if not start or (8 < size < 8 + header <= 8 + MOST_HEADER and start[8:] == b"{"):
        raise DamagedError(f"it is cut off after {size:,} bytes")


def _check(written: str, checksums: Mapping[str, str]) -> None:
    try:
        expected = json.loads(written)
    except (ValueError, RecursionError):
        expected = None
    if not isinstance(expected, dict):
        raise DamagedError("its checksums are damaged: they are not a JSON object")
    for name in sorted(expected.keys() | checksums.keys()):
        if expected.get(name) != checksums.get(name):
            what = f"the tensor {name.removeprefix(_TENSOR)!r:.80}" if name.startswith(_TENSOR) else "the metadata"
            raise DamagedError(f"{what} has checksum {checksums.get(name)}, expected {expected.get(name)!s:.20}")


_TENSOR = "tensor "


def _checksums(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """Checksums as hexadecimal digits: of all the metadata, and of each tensor with its name, dtype and shape."""
    sums = {"metadata": f"{zlib.crc32(json.dumps(sorted(metadata.items())).encode()):08x}"}
    for name, tensor in tensors.items():
        start = zlib.crc32(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        values = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        sums[f"{_TENSOR}{name}"] = f"{zlib.crc32(values.data, start):08x}"
    return sums
