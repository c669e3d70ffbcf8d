"""Display of a comparison: a bar for each loss and one for all on a terminal, lines elsewhere, with the time left."""

import heapq
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn

from .display import Display
from .progress import validation_text

EVERY = 30.0
"""Seconds after which a line is printed without a terminal, even if no epoch has ended."""


@dataclass
class Shown:
    """State of a run on the display.

    Args:
        since: seconds on the clock at its first metrics.
        start: epochs done by then.
        now: seconds on the clock at its newest metrics.
        epoch: epochs done.
        loss, test, validation: the newest of each, as text.
        ended: whether it is trained, or failed.
    """

    since: float
    start: float
    now: float
    epoch: float
    loss: str = ""
    test: str = ""
    validation: str = ""
    ended: bool = False

    @property
    def numbers(self) -> str:
        """Newest loss, accuracy and validation, as text."""
        return "  ".join(part for part in (self.loss, self.test, self.validation) if part)


class ComparisonDisplay(Display):
    """Progress of several runs, some of them at a time, and the time until all are trained.

    Args:
        runs: how many there are.
        epochs: of each run.
        jobs: runs at a time.
        clock: seconds.
        console: where to write; stderr by default.
    """

    def __init__(
        self,
        runs: int,
        epochs: int,
        jobs: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        super().__init__(
            TextColumn("{task.description:<24}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[epoch]}", markup=False),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=console,
        )
        self._runs, self._epochs, self._jobs, self._clock = runs, epochs, jobs, clock
        self._shown: dict[str, Shown] = {}
        self._printed = -math.inf
        self._draw_total()

    def show(self, name: str, metrics: dict[str, Any]) -> None:
        """Show a line of metrics of the run `name`."""
        shown, epoch = self._hear(name, metrics)
        if self._console.is_terminal:
            self._draw(name, shown.epoch, self._epochs, epoch=epoch, numbers=shown.numbers)
            self._draw_total()
            return
        left, now = self._left(), self._clock()
        due = left and (self._printed == -math.inf or now - self._printed >= EVERY)
        if metrics["kind"] in ("test", "error") or due:
            self._printed = now
            parts = [part for part in (epoch, shown.numbers, left) if part]
            self._print(f"{name}: {'  '.join(parts)}")

    def _hear(self, name: str, metrics: dict[str, Any]) -> tuple[Shown, str]:
        now = self._clock()
        epoch = float(metrics.get("epoch", self._shown[name].epoch if name in self._shown else 0.0))
        # a run whose first metrics are its end was trained before
        shown = self._shown.setdefault(name, Shown(now, epoch, now, epoch))
        shown.now, shown.epoch = now, epoch
        match metrics["kind"]:
            case "train":
                shown.loss = f"loss {metrics['loss']:.3f}"
            case "validation":
                shown.validation = validation_text(metrics)
            case "test" | "end":
                if metrics.get("accuracy") is not None:
                    shown.test = f"test acc {metrics['accuracy']:.1%}"
                shown.ended = metrics["kind"] == "end"
            case "error":
                shown.test, shown.ended = f"failed: {metrics['error']}", True
        return shown, f"epoch {math.ceil(epoch)}/{self._epochs}"

    def _draw_total(self) -> None:
        ended = sum(each.ended for each in self._shown.values())
        done = sum(self._epochs if each.ended else each.epoch for each in self._shown.values())
        count = f"{ended} trained" if self._shown else ""
        self._draw(f"{self._runs} losses", done, self._runs * self._epochs, epoch=count, numbers=self._left())

    def _left(self) -> str:
        """The time until all runs are trained, in words; empty before it can be estimated."""
        seconds = sum(each.now - each.since for each in self._shown.values())
        epochs = sum(each.epoch - each.start for each in self._shown.values())
        if seconds <= 0 or epochs <= 0:
            return ""
        under_way = [self._epochs - each.epoch for each in self._shown.values() if not each.ended]
        waiting = [float(self._epochs)] * (self._runs - len(self._shown))
        return f"about {in_words(time_left([*under_way, *waiting], self._jobs, seconds / epochs))} left"


def time_left(epochs: Sequence[float], jobs: int, seconds: float) -> float:
    """Seconds until all runs have ended, if each free job takes the next of them.

    Args:
        epochs: that each run has still to go, those under way first.
        jobs: runs at a time.
        seconds: of an epoch.

    Example:
        >>> time_left([1, 2, 4], jobs=2, seconds=10)
        50.0
    """
    free = [0.0] * jobs
    for length in epochs:
        heapq.heappush(free, heapq.heappop(free) + length * seconds)
    return max(free)


def in_words(seconds: float) -> str:
    """A time as a person would say it.

    Example:
        >>> in_words(8), in_words(200), in_words(7500)
        ('8 s', '3 min 20 s', '2 h 5 min')
    """
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
