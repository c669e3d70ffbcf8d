"""A whole checkpoint in memory, read and written as one of one process or of many ranks.

K classes of S centers, D dims.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

from torch import Tensor

from ..common.atomic_files import whole_folder
from ..common.run_folder import CONFIG, INPUT, LAST, read_object
from ..common.tensor_file import TensorFile, write_tensors
from ..engine.ranks import shard
from ._position import CheckpointError, Position, position_in
from ._run_state import CLASSES, names_in, names_tensor
from .checkpoint import write_file
from .checkpoint_folder import next_number, use_newest
from .stored_checkpoint import SHARED_FORMAT, Chunk, Entry, FileRecord, Stored, crc, write_index

HEAD = "loss.head."
WEIGHT, BIAS, CLASS_WEIGHTS = "loss.head.weight", "loss.head.bias", "loss.head.class_weights"
_PER_CLASS = ("centers", "memory", "seen")
"""Tensors of feature losses with a row per class; others are known by their shape, where K is not D."""


@dataclass(frozen=True)
class Contents:
    """A checkpoint in memory.

    Attributes:
        stored: on the disk.
        tensors: by name, whole.
        header: all that is not a tensor.
        names: of the classes, or none.
    """

    stored: Stored
    tensors: dict[str, Tensor]
    header: dict[str, Any]
    names: tuple[str, ...]

    @property
    def position(self) -> Position:
        """Where the run was."""
        return position_in(self.header, self.stored.path)

    @property
    def head(self) -> dict[str, Any]:
        """Settings of the head: margin, num_classes, label_smoothing, focal.

        Raises:
            CheckpointError: it has none.
        """
        head = self.header.get("head")
        if not isinstance(head, dict) or type(head.get("num_classes")) is not int or WEIGHT not in self.tensors:
            raise CheckpointError(
                f"{self.stored.path} does not say what its head is: it is of an earlier version, train a step on"
            )
        return head

    @property
    def num_classes(self) -> int:
        """K."""
        head, rows = self.head, len(self.tensors[WEIGHT])
        if not 1 <= head["num_classes"] <= rows or rows % head["num_classes"]:
            raise CheckpointError(f"{self.stored.path} is broken: {head['num_classes']} classes have {rows} rows")
        return int(head["num_classes"])

    @property
    def centers(self) -> int:
        """S."""
        return len(self.tensors[WEIGHT]) // self.num_classes

    def rows_per_class(self, name: str) -> int:
        """Rows that a class has in a tensor; 0 where its rows are not those of classes."""
        name, shape = self._parameter(name), self.tensors[name].shape
        if not shape or (name in self.tensors and self.tensors[name].shape != shape):
            return 0
        if name == WEIGHT:
            return self.centers
        if name in (BIAS, CLASS_WEIGHTS):
            return 1
        of_term = name.startswith("loss.modules_of_terms.") and shape[0] == self.num_classes
        known = name.rpartition(".")[2] in _PER_CLASS or self.num_classes != self.tensors[WEIGHT].shape[1]
        return int(of_term and known)

    def _parameter(self, name: str) -> str:
        """The parameter that a tensor of an optimiser's state belongs to; the name itself for another."""
        if not name.startswith("optimizer."):
            return name
        names, number = self.header.get("optimizer_names"), name.split(".")[1]
        if not isinstance(names, list) or not number.isdecimal() or int(number) >= len(names):
            raise CheckpointError(
                f"{self.stored.path} does not name the parameters of its optimisers: it is of an earlier version, "
                "train a step on"
            )
        return str(names[int(number)])


def read_contents(path: Path) -> Contents:
    """Read the newest checkpoint that is intact; names of classes that it has not are those of the run's data.

    Args:
        path: as of `cones.training.checkpoint.load_checkpoint`.

    Raises:
        CheckpointError: there is none, or none is intact.
    """
    stored, tensors = use_newest(path, lambda stored: (stored, stored.read()))
    names = names_in(tensors.pop(CLASSES, None), stored.path) or _names_of_run(_run_folder(stored))
    contents = Contents(stored, tensors, stored.header, names)
    if names and len(names) != contents.num_classes:
        raise CheckpointError(f"{stored.path} is broken: it has {len(names)} names for {contents.num_classes} classes")
    return contents


def _run_folder(stored: Stored) -> Path:
    return stored.path.parents[1] if stored.files else stored.path.parent


def _names_of_run(folder: Path) -> tuple[str, ...]:
    """Names of the classes from a run's input.json, where a checkpoint has none; none where that has none either."""
    try:
        return tuple(str(name) for name in read_object(folder / INPUT)["train"]["classes"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ()


def write_contents(contents: Contents, out: Path) -> Path:
    """Write a checkpoint to the folder of a new run, of the kind that it was read from; whole or not at all.

    Args:
        contents: of the checkpoint.
        out: the folder, new or empty; it gets config.toml too, where the run has one.

    Returns:
        the file or folder of the checkpoint.

    Raises:
        CheckpointError: it cannot be written.
        FileExistsError: out holds something.
    """
    run, tensors = _run_folder(contents.stored), contents.tensors | names_tensor(contents.names)
    try:
        with whole_folder(out) as aside:
            if (run / CONFIG).is_file():
                copyfile(run / CONFIG, aside / CONFIG)
            path = aside / LAST
            if contents.stored.files:
                path = next_number(path)
                path.mkdir(parents=True)
                _write_ranks(path, contents, tensors)
            else:
                write_file(path, tensors, contents.header)
            return out / path.relative_to(aside)
    except FileExistsError:
        raise
    except OSError as error:
        raise CheckpointError(f"cannot write {out}: {error}; nothing was written") from error


def _write_ranks(folder: Path, contents: Contents, tensors: dict[str, Tensor]) -> None:
    """Write a folder as its ranks would: each its own rows, the first one the rest."""
    num_classes = contents.num_classes
    ranks = min(len(contents.stored.files), num_classes)
    entries = {name: Entry(tensor.dtype, tuple(tensor.shape), ()) for name, tensor in tensors.items()}
    files = {}
    for rank in range(ranks):
        path, own = folder / f"rank-{rank}.safetensors", {}
        start, stop = shard(num_classes, rank, ranks)
        for name, tensor in tensors.items():
            per_class = 0 if name == CLASSES else contents.rows_per_class(name)
            if not per_class and rank:
                continue
            first = start * per_class
            part = own[name] = tensor[first : stop * per_class] if per_class else tensor
            chunk = Chunk(path.name, (first, *(0,) * (tensor.dim() - 1))[: tensor.dim()], tuple(part.shape))
            entries[name] = entries[name]._replace(chunks=(*entries[name].chunks, chunk))
        write_tensors(path, own, {"format": SHARED_FORMAT})
        files[path.name] = FileRecord(path.stat().st_size, crc(TensorFile(path).checksums or ""))
    write_index(folder, json.loads(json.dumps(contents.header)), entries, files)
