"""Metrics of a run: one JSON object a line, and the same to TensorBoard."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.atomic_files import remove_leftovers, write_text
from ..common.run_folder import METRICS, TENSORBOARD, read_metrics

Metrics = dict[str, Any]


class MetricsLog:
    """Writes a run's metrics to metrics.jsonl and, if asked, to TensorBoard.

    A resumed run first drops what was written after its checkpoint, and a line that was cut short, and removes files
    that a killed process was writing.

    Args:
        folder: of the run.
        step: of the checkpoint that the run goes on from; 0 starts a new log.
        tensorboard: whether to write for TensorBoard too.

    Raises:
        ModuleNotFoundError: TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, *, step: int, tensorboard: bool) -> None:
        remove_leftovers(folder)
        path = folder / METRICS
        kept = (
            [line for line in read_metrics(path, cut_short=True) if line.get("step", 0) <= step]
            if path.exists()
            else []
        )
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a+", encoding="utf-8")
        self._board = _board(folder / TENSORBOARD, step) if tensorboard else None

    def write(self, metrics: Metrics) -> None:
        """Write one line; numbers, also those one level down, go to TensorBoard by their names."""
        self._file.write(json.dumps(metrics) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in _numbers(metrics):
                self._board.add_scalar(f"{metrics['kind']}/{name}", value, metrics["step"])

    def text(self) -> str:
        """All lines so far, also where the file has been moved or removed."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _numbers(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    numbers = []
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            numbers += [(f"{name}/{inner}", number) for inner, number in _numbers(value)]
        elif isinstance(value, int | float) and name != "step":
            numbers.append((name, float(value)))
    return numbers


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ModuleNotFoundError(
            "TensorBoard is not installed: pip install 'cones[train]', or set tensorboard to false"
        ) from None
    return SummaryWriter(str(folder), purge_step=step + 1)
