"""Shared parts of the commands: usage errors, the settings of a run, and output that may go unread."""

import os
import sys
from typing import Annotated, Protocol

import tyro

from ..training import Run, Stop
from .terminal import print

Shared = Annotated[Run, tyro.conf.arg(name="")]
"""The settings of a run as options of a command; their defaults are those of --config or of a run to resume."""


class UsageError(ValueError):
    """Raised for invalid command-line arguments."""


class Command(Protocol):
    """A frozen dataclass: its fields are the options, its docstring is the help."""

    def execute(self) -> int:
        """Run the command, print, and return the exit code."""


def say(*lines: str) -> None:
    """Print; a closed output pipe (head, a closed terminal) does not affect training."""
    try:
        print(*lines, sep="\n", flush=True)
    except OSError:
        # else Python complains when it flushes what is left at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stopped_by(stop: Stop) -> str:
    """' by SIGTERM' for the signal that preempted a run, else nothing."""
    return f" by {stop.signal.name}" if stop.signal is not None and stop.preempted else ""
