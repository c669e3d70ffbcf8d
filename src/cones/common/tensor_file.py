"""Tensors in a safetensors file with a checksum of each, so that a flipped bit is an error and not another result.

Checksums are CRC-32: any flipped bit, and any run of flipped bits up to 32 long, changes them. They tell damage, not
malice: who can write a file can write its checksums.
"""

import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

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
    file = TensorFile(path)
    return {name: file.read(name) for name in file.names}, file.metadata


class TensorFile:
    """A safetensors file whose tensors are read one by one, each checked when it is read.

    Args:
        path: the file.

    Attributes:
        names: of its tensors.
        metadata: text by name, without the checksums.
        checksums: the text of all checksums; None where the file has none, as those of others.

    Raises:
        DamagedError: the file is not a safetensors file, or its metadata or its list of tensors are not what was
            written.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        require("a .safetensors file", "safetensors")
        from safetensors import safe_open

        _check_length(path)
        with _damage():
            self._file = cast(Any, safe_open(path, framework="pt"))
            self.metadata = dict(self._file.metadata() or {})
            self.names: list[str] = list(self._file.keys())
        self.checksums, algorithm = self.metadata.pop(CHECKSUM, None), self.metadata.pop(CHECKED, None)
        self._expected: dict[str, str] | None = None
        if self.checksums is None and algorithm is None:
            return  # of an older version, or of others
        if self.checksums is None or algorithm != ALGORITHM:
            raise DamagedError(f"its checksums are damaged: {CHECKED} is {algorithm!r:.80}")
        self._expected = _parse(self.checksums)
        self._compare(_METADATA, _metadata_checksum(self.metadata))
        for name in sorted(self._expected.keys() - {_METADATA, *(f"{_TENSOR}{name}" for name in self.names)}):
            self._compare(name, None)
        for name in self.names:
            if f"{_TENSOR}{name}" not in self._expected:
                self.read(name)

    def unchecked(self, name: str) -> Tensor:
        """Return a tensor whose dtype and shape are wanted; its numbers stay on the disk until they are looked at."""
        with _damage():
            return cast(Tensor, self._file.get_tensor(name))

    def read(self, name: str) -> Tensor:
        """Return a tensor on the CPU.

        Raises:
            DamagedError: it is not what was written.
        """
        tensor = self.unchecked(name)
        if self._expected is not None:
            self._compare(f"{_TENSOR}{name}", _tensor_checksum(name, tensor))
        return tensor

    def _compare(self, name: str, checksum: str | None) -> None:
        expected = None if self._expected is None else self._expected.get(name)
        if checksum != expected:
            what = f"the tensor {name.removeprefix(_TENSOR)!r:.80}" if name.startswith(_TENSOR) else "the metadata"
            raise DamagedError(f"{what} has checksum {checksum}, expected {expected!s:.20}")


@contextmanager
def _damage() -> Iterator[None]:
    """Turn what safetensors raises for a broken file into a DamagedError."""
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        text = " ".join(str(error).split())[:160]
        raise DamagedError(f"it is cut off: {text}" if "not fully covered" in text else text) from error


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


def _parse(written: str) -> dict[str, str]:
    try:
        expected = json.loads(written)
    except (ValueError, RecursionError):
        expected = None
    if not isinstance(expected, dict):
        raise DamagedError("its checksums are damaged: they are not a JSON object")
    return expected


_TENSOR, _METADATA = "tensor ", "metadata"


def _checksums(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """Checksums as hexadecimal digits: of all the metadata, and of each tensor with its name, dtype and shape."""
    sums = {_METADATA: _metadata_checksum(metadata)}
    return sums | {f"{_TENSOR}{name}": _tensor_checksum(name, tensor) for name, tensor in tensors.items()}


def _metadata_checksum(metadata: Mapping[str, str]) -> str:
    return f"{zlib.crc32(json.dumps(sorted(metadata.items())).encode()):08x}"


def _tensor_checksum(name: str, tensor: Tensor) -> str:
    start = zlib.crc32(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
    values = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return f"{zlib.crc32(values.data, start):08x}"
