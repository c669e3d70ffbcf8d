"""TensorBoard event files, written as the metrics come: no thread that fails on its own where the folder goes away."""

import itertools
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..common.atomic_files import writing

_COUNT = itertools.count()


class Board:
    """An event file in a folder.

    Args:
        folder: made if missing.
        step: from which the run goes on: TensorBoard drops what earlier files in the folder hold after it.

    Raises:
        ModuleNotFoundError: TensorBoard is not installed.
        WriteError: the file cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            raise ModuleNotFoundError(
                "TensorBoard is not installed: pip install 'cones[train]', or set tensorboard to false"
            ) from None
        self._event = Event
        self.path = (
            folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(_COUNT)}"
        )
        with writing(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb")
            self._records = RecordWriter(self._file)
            self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=step + 1, session_log=start))
            self._file.flush()

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write numbers by their names, and flush.

        Raises:
            WriteError: the disk is full, or the like.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=number) for name, number in numbers.items()]
        with writing(self.path):
            self._write(self._event(wall_time=time.time(), step=step, summary=Summary(value=values)))
            self._file.flush()

    def close(self) -> None:
        """Close the file; what a full disk did not take is lost."""
        with suppress(OSError):
            self._file.close()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
