"""Progress of a long evaluation as a person sees it: a bar per stage on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .terminal import Console

EVERY = 30.0
"""Seconds between two lines where there is no terminal, and before the first."""


class StageDisplay:
    """Bars with the time left, for `progress` of `cones.evaluation.evaluate`; removed when all is done.

    Args:
        every: seconds between two lines when standard error is not a terminal.
    """

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._console = Console(file=sys.stderr, highlight=False, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._stage = ""
        self._began = self._told = time.monotonic()

    def __enter__(self) -> "StageDisplay":
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Show that `done` of `total` steps of the stage are done."""
        if self._console.is_terminal:
            if stage not in self._tasks:
                self._tasks[stage] = self._progress.add_task(stage, total=total)
            self._progress.update(self._tasks[stage], completed=done, total=total)
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began = stage, now
        if now - self._told >= self._every and 0 < done < total:
            left = (now - self._began) * (total - done) / done
            text = f"{stage}: {100 * done / total:.0f} % done, about {_duration(left)} left"
            self._console.print(text, markup=False, soft_wrap=True)
            self._told = now


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
