"""A checkpoint on disk: one file of one process, or a folder to which each rank wrote its own rows.

    last.safetensors              one process
    last/000007/index.json        P ranks: header, tensors, and in which file the parts of each are
    last/000007/rank-0.safetensors, rank-1.safetensors, ...

Both hold the same tensors by the same names, see `cones.training.checkpoint`. A folder appears under its number by one
renaming, when all is written, and the one before it is kept. Nothing here is pickled.
"""

import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..common.expressions import brief
from ..common.regular_file import not_a_file
from ..common.run_folder import parse_object
from ..common.tensor_file import DamagedError, TensorFile
from ._position import CheckpointError

FORMAT, SHARED_FORMAT = "cones-1", "cones-shared-1"
INDEX = "index.json"
_FILE = re.compile(r"rank-\d+\.safetensors")


class Chunk(NamedTuple):
    """A part of a tensor, all of which is in one file.

    Attributes:
        file: its name.
        offsets: place of its first number in the tensor, one number a dimension.
        sizes: its shape.
    """

    file: str
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]


class Entry(NamedTuple):
    """A tensor of a checkpoint: its dtype, its whole shape, and its parts, which do not overlap and leave no gap."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    chunks: tuple[Chunk, ...]


class FileRecord(NamedTuple):
    """Size of a file, and the checksum of the checksums in it."""

    bytes: int
    checksum: str


@dataclass(frozen=True)
class Stored:
    """A checkpoint that is there, as its header or its index describes it.

    Attributes:
        path: the file, or the folder.
        header: all that is not a tensor.
        tensors: by name.
        files: of a folder, by name; none for a single file.
    """

    path: Path
    header: dict[str, Any]
    tensors: dict[str, Entry]
    files: dict[str, FileRecord] = field(default_factory=dict)

    def reader(self) -> "ChunkReader":
        """Return a reader of its chunks."""
        return ChunkReader(self)

    def read(self, prefix: str = "") -> dict[str, Tensor]:
        """Return the whole tensors whose names start with `prefix`, on the CPU.

        Raises:
            DamagedError: a file is missing, or something is not what was written.
            OSError: a file cannot be read.
        """
        reader = self.reader()
        return {name: reader.whole(name) for name in self.tensors if name.startswith(prefix)}


class ChunkReader:
    """Reads chunks, each checked; files are opened once.

    Args:
        stored: the checkpoint.
    """

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._open: dict[str, TensorFile] = {}

    def chunk(self, name: str, chunk: Chunk) -> Tensor:
        """Return a part of a tensor.

        Raises:
            DamagedError, OSError: as `Stored.read`.
        """
        if chunk.file not in self._open:
            self._open[chunk.file] = self._opened(chunk.file)
        file = self._open[chunk.file]
        if name not in file.names:
            raise DamagedError(f"{chunk.file} has no tensor {name!r:.80}")
        tensor = file.read(name)
        if tuple(tensor.shape) != chunk.sizes or tensor.dtype != self._stored.tensors[name].dtype:
            raise DamagedError(f"the tensor {name!r:.80} in {chunk.file} is not the one in its index")
        return tensor

    def whole(self, name: str) -> Tensor:
        """Return a tensor with all its parts."""
        entry = self._stored.tensors[name]
        if len(entry.chunks) == 1:
            return self.chunk(name, entry.chunks[0]).clone()
        whole = torch.zeros(entry.shape, dtype=entry.dtype)
        for chunk in entry.chunks:
            whole[within(chunk.offsets, chunk.sizes)] = self.chunk(name, chunk)
        return whole

    def _opened(self, name: str) -> TensorFile:
        record = self._stored.files.get(name)
        path = self._stored.path if record is None else self._stored.path / name
        try:
            file = TensorFile(path)
        except FileNotFoundError as error:
            raise DamagedError(f"{name} is missing") from error
        if record is not None and crc(file.checksums or "") != record.checksum:
            raise DamagedError(f"{name} is of another checkpoint")
        return file


def within(offsets: Sequence[int], sizes: Sequence[int]) -> tuple[slice, ...]:
    """Return the place of a part of a tensor, as an index."""
    return tuple(slice(offset, offset + size) for offset, size in zip(offsets, sizes, strict=True))


def crc(text: str) -> str:
    """CRC-32 of a text, as hexadecimal digits."""
    return f"{zlib.crc32(text.encode()):08x}"


def open_checkpoint(path: Path) -> Stored:
    """Return the checkpoint in a file or in a folder of its own; of a folder the sizes of all files are checked.

    Raises:
        CheckpointError: the file was not written by the trainer.
        DamagedError: a file is missing, cut short or broken.
        OSError: one cannot be read.
    """
    return _open_folder(path) if path.is_dir() else _open_file(path)


def _open_file(path: Path) -> Stored:
    if fault := not_a_file(path):
        raise CheckpointError(f"{fault}, expected a checkpoint")
    file = TensorFile(path)
    if file.metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} was not written by this trainer: expected the format {FORMAT}")
    header = _object(file.metadata.get("header", ""), "its header")
    tensors = {}
    for name in file.names:
        tensor = file.unchecked(name)
        shape = tuple(tensor.shape)
        tensors[name] = Entry(tensor.dtype, shape, (Chunk(path.name, (0,) * len(shape), shape),))
    return Stored(path, header, tensors)


def _open_folder(path: Path) -> Stored:
    try:
        text = (path / INDEX).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DamagedError(f"{INDEX} is missing") from error
    except UnicodeDecodeError as error:
        raise DamagedError(f"{INDEX} is not UTF-8 text") from error
    if text != with_checksum(text[len(with_checksum("")) :]):
        raise DamagedError(f"{INDEX} is not what was written")
    try:
        index = _object(text, INDEX)
        if index["format"] != SHARED_FORMAT:
            raise DamagedError(f"{INDEX} is of the format {brief(str(index['format']))}, expected {SHARED_FORMAT}")
        files = {str(name): FileRecord(int(size), str(checksum)) for name, (size, checksum) in index["files"].items()}
        tensors = {str(name): _entry(*fields) for name, fields in index["tensors"].items()}
        stored = Stored(path, dict(index["header"]), tensors, files)
        _check(stored)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"{INDEX} is not an index ({brief(f'{type(error).__name__}: {error}')})") from error
    for name, record in files.items():
        if not (path / name).is_file():
            raise DamagedError(f"{name} is missing")
        if (path / name).stat().st_size != record.bytes:
            raise DamagedError(f"{name} has {(path / name).stat().st_size} bytes, expected {record.bytes}")
    return stored


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        return parse_object(text, where)
    except ValueError as error:
        raise DamagedError(str(error)) from error


def _entry(dtype: str, shape: list[int], chunks: list[tuple[str, list[int], list[int]]]) -> Entry:
    kind = getattr(torch, dtype)
    if not isinstance(kind, torch.dtype):
        raise ValueError(f"{dtype} is no dtype")
    return Entry(kind, _sizes(shape), tuple(Chunk(str(file), _sizes(at), _sizes(size)) for file, at, size in chunks))


def _sizes(sizes: list[int]) -> tuple[int, ...]:
    if not all(type(size) is int and 0 <= size < 2**63 for size in sizes):
        raise ValueError(f"{sizes} are no sizes")
    return tuple(sizes)


def _check(stored: Stored) -> None:
    for name in stored.files:
        if not _FILE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a file")
    for name, entry in stored.tensors.items():
        for chunk in entry.chunks:
            ends = [offset + size for offset, size in zip(chunk.offsets, chunk.sizes, strict=True)]
            if chunk.file not in stored.files or any(map(int.__gt__, ends, entry.shape)):
                raise ValueError(f"a part of {name} lies outside")
            if len(ends) != len(entry.shape):
                raise ValueError(f"a part of {name} has another number of dimensions")
        if not covers(entry.shape, [chunk.sizes for chunk in entry.chunks]):
            raise ValueError(f"parts of {name} are missing")


def covers(shape: Sequence[int], parts: Sequence[Sequence[int]]) -> bool:
    """Tell whether parts of these shapes, which do not overlap, are all of a tensor."""
    return bool(parts) and sum(math.prod(sizes) for sizes in parts) == math.prod(shape)


def write_index(
    folder: Path, header: Mapping[str, Any], tensors: Mapping[str, Entry], files: Mapping[str, FileRecord]
) -> None:
    """Write the index of a folder, after all its files."""
    index = {
        "format": SHARED_FORMAT,
        "header": header,
        "files": files,
        "tensors": {
            name: [str(entry.dtype).removeprefix("torch."), entry.shape, entry.chunks]
            for name, entry in tensors.items()
        },
    }
    text = json.dumps(index, separators=(",", ":"))
    (folder / INDEX).write_text(with_checksum(text[1:]), encoding="utf-8")


def with_checksum(rest: str) -> str:
    """The text of an index whose first entry is the checksum of the rest."""
    return f'{{"checksum":"{crc(rest)}",{rest}'
