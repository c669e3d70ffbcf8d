"""Metrics of a run: one JSON object a line, and the same to TensorBoard."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..common.atomic_files import remove_leftovers, write_text, writing
from ..common.run_folder import METRICS, TENSORBOARD, inner_folder, read_metrics
from ._board import Board

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
        ValueError: metrics.jsonl is broken, or the folder for TensorBoard is a link.
        WriteError: a file cannot be written.
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
        self._path, self._file = path, path.open("a+", encoding="utf-8")
        self._board = Board(inner_folder(folder, TENSORBOARD), step) if tensorboard else None

    def write(self, metrics: Metrics) -> None:
        """Write one line; numbers, also those one level down, go to TensorBoard by their names.

        Raises:
            WriteError: the disk is full, or the like.
        """
        with writing(self._path):
            self._file.write(json.dumps(metrics) + "\n")
            self._file.flush()
        if self._board is not None:
            numbers = {f"{metrics['kind']}/{name}": value for name, value in _numbers(metrics)}
            self._board.write(metrics["step"], numbers)

    def text(self) -> str:
        """All lines so far, also where the file has been moved or removed."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Close the files; what a full disk did not take is lost, and was reported when it was written."""
        with suppress(OSError):
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
