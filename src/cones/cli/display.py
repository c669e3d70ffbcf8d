"""Bars of a long command, drawn on a terminal and only there."""

import sys
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

import rich.console
from rich.progress import Progress, ProgressColumn, TaskID

from ..common.printable import printable
from .terminal import Console

D = TypeVar("D", bound="Display")


class Display:
    """A bar per name within a `with`; a terminal that closes ends the bars, not the command.

    Args:
        columns: of each bar.
        console: where to draw, and to print lines where that is no terminal; standard error for None.
        transient: whether the bars are removed at the end.
    """

    def __init__(
        self, *columns: ProgressColumn, console: rich.console.Console | None = None, transient: bool = False
    ) -> None:
        self._console = console or Console(file=sys.stderr, highlight=False, emoji=False)
        self._bars = Progress(*columns, console=self._console, transient=transient)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self: D) -> D:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            with suppress(OSError):  # the terminal has closed
                self._bars.stop()

    def _draw(self, name: str, completed: float, total: float, epoch: str = "", numbers: str = "") -> None:
        """Move the bar of a name, which is added by its first call; `epoch` and `numbers` are texts of columns."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(printable(name), total=total, epoch="", numbers="")
        self._bars.update(self._tasks[name], completed=completed, total=total, epoch=epoch, numbers=numbers)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
