"""A checkpoint in words: position, ranks, classes, tensors, and whether its checksums are right."""

import math
from pathlib import Path

from torch import Tensor

from ..common.expressions import brief
from ..common.tensor_file import DamagedError
from ._position import position_in
from ._run_state import CLASSES, names_in
from .checkpoint_folder import newest_first
from .stored_checkpoint import Stored, open_checkpoint


def report(path: Path) -> tuple[str, bool]:
    """Describe the checkpoints of a run, the newest that is intact in full; all its tensors are read and checked.

    Args:
        path: as of `cones.training.checkpoint.load_checkpoint`.

    Returns:
        the text, and whether the newest checkpoint is intact.

    Raises:
        CheckpointError: there is none.
    """
    lines: list[str] = []
    paths = newest_first(path)
    whole = True
    for place, each in enumerate(paths):
        try:
            stored = open_checkpoint(each)
            names = _checked_names(stored)
        except (DamagedError, OSError) as error:
            lines.append(f"{each}: broken ({error})")
            whole = whole and place > 0
            continue
        lines += _in_full(stored, names)
        lines += [f"before it: {_in_short(other)}" for other in paths[place + 1 :]]
        break
    return "\n".join(lines), whole


def _checked_names(stored: Stored) -> tuple[str, ...]:
    """Names of the classes; every tensor is read, one at a time."""
    reader = stored.reader()
    names: Tensor | None = None
    for name, entry in stored.tensors.items():
        for chunk in entry.chunks:
            tensor = reader.chunk(name, chunk)
            names = tensor if name == CLASSES else names
    return names_in(names, stored.path)


def _in_full(stored: Stored, names: tuple[str, ...]) -> list[str]:
    ranks = f"{len(stored.files)} files of as many ranks" if stored.files else "one file of one process"
    numbers = sum(math.prod(entry.shape) * entry.dtype.itemsize for entry in stored.tensors.values())
    lines = [f"{_in_short(stored.path)}; {ranks}, {numbers:,} bytes of tensors, all checksums are right"]
    head = stored.header.get("head")
    if isinstance(head, dict):
        lines.append(f"head: {head.get('num_classes')} classes, margin {brief(str(head.get('margin')), 200)}")
    if names:
        shown = ", ".join(brief(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
        lines.append(f"names of classes: {shown}")
    rows = [("tensor", "dtype", "shape", "files")]
    for name, entry in sorted(stored.tensors.items()):
        shape = "x".join(map(str, entry.shape)) or "0-dim"
        rows.append((name, str(entry.dtype).removeprefix("torch."), shape, str(len(entry.chunks))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return lines + ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _in_short(path: Path) -> str:
    try:
        position = position_in(open_checkpoint(path).header, path)
    except (DamagedError, OSError) as error:
        return f"{path}: broken ({error})"
    return f"{path}: step {position.step}, epoch {position.epoch}, batch {position.batch}"
