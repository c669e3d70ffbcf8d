"""Progress of a long evaluation as a person sees it: a bar per stage on a terminal, a line now and then elsewhere."""

import time

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .display import Display

EVERY = 30.0
"""Seconds between two lines where there is no terminal, and before the first."""


class StageDisplay(Display):
    """Bars with the time left, for `progress` of `cones.evaluation.evaluate`; removed when all is done.

    Args:
        every: seconds between two lines when standard error is not a terminal.
    """

    def __init__(self, every: float = EVERY) -> None:
        super().__init__(
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            transient=True,
        )
        self._every = every
        self._stage = ""
        self._began = self._told = time.monotonic()

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Show that `done` of `total` steps of the stage are done."""
        if self._console.is_terminal:
            self._draw(stage, done, total)
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began = stage, now
        if now - self._told >= self._every and 0 < done < total:
            left = (now - self._began) * (total - done) / done
            self._print(f"{stage}: {100 * done / total:.0f} % done, about {_duration(left)} left")
            self._told = now


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
