"""Position of a run, and the error of its checkpoints."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.expressions import brief


@dataclass(frozen=True)
class Position:
    """Progress of a run.

    Args:
        step: steps done.
        epoch: epochs done.
        batch: batches done of the epoch that is under way.
        best_accuracy: highest test accuracy so far, or what validation chooses the best epoch by (TAR, 1 - EER or rank
            1), in 0..1; -1 before the first.
        best_epoch: the epoch that reached it.
        seconds: spent training so far.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read; the file that was there is untouched."""


def position_in(header: dict[str, Any], path: Path) -> Position:
    """Return the position in the header of a checkpoint, each of its fields checked.

    Raises:
        CheckpointError: there is none; the error names path.
    """
    written = header.get("position")
    if not isinstance(written, dict) or written.keys() != vars(Position()).keys():
        names = ", ".join(vars(Position()))
        raise CheckpointError(f"{path} is not a checkpoint: position is {brief(repr(written))}, expected {names}")
    for name, default in vars(Position()).items():
        value = written[name]
        kinds = (int, float) if isinstance(default, float) else (int,)
        if type(value) not in kinds or not -1 <= value < 2**63:  # a NaN is in no range
            raise CheckpointError(f"{path} is not a checkpoint: {name} of its position is {brief(repr(value))}")
    return Position(**written)
