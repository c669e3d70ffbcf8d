"""Progress of a run: a bar on a terminal; elsewhere a line every epoch, and every half minute within one."""

import math
import sys
import time
from contextlib import suppress
from typing import Any

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from ..evaluation.quantities import GEOMETRY
from .display import Display
from .terminal import Console


class _Console(Console):
    """A console whose reader may leave."""

    def on_broken_pipe(self) -> None:
        """Go on without output: rich would end the program."""
        self.quiet = True


class TrainingDisplay(Display):
    """A progress bar per run, with loss, accuracy, target cosine, images/s and the time left.

    A terminal or a pipe that closes ends the display, not the run.

    Args:
        epochs: of each run.
        every: seconds between two lines within an epoch, where there is no terminal.
        quiet: show nothing.
    """

    def __init__(self, epochs: int, *, every: float = 30.0, quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[epoch]}", markup=False),
            TextColumn("{task.fields[numbers]}", markup=False),
            TimeRemainingColumn(),
            console=_Console(file=sys.stderr, highlight=False, emoji=False, quiet=quiet),
        )
        self._epochs = epochs
        self._every, self._last = every, time.monotonic()
        self._trained = self._tested = self._validated = ""

    def show(self, name: str, metrics: dict[str, Any]) -> None:
        """Show a line of metrics of the run `name`."""
        with suppress(OSError):
            self._show(name, metrics)

    def _show(self, name: str, metrics: dict[str, Any]) -> None:
        match metrics["kind"]:
            case "train":
                self._trained = (
                    f"loss {short(metrics['loss'])}  batch acc {metrics['accuracy']:.1%}  "
                    f"cos {metrics['target_cosine']:.3f}  {metrics['images_per_second']:.0f} images/s"
                )
                self._tested = ""
            case "validation":
                self._validated = validation_text(metrics)
                return  # the line of the epoch's test follows
            case _:
                accuracy = metrics.get("accuracy")
                self._tested = "" if accuracy is None else f"test acc {accuracy:.1%}"
        numbers = "  ".join(text for text in (self._trained, self._tested, self._validated) if text)
        epoch = f"epoch {math.ceil(metrics['epoch'])}/{self._epochs}"
        if not self._console.is_terminal:
            now, within = time.monotonic(), metrics["kind"] == "train"
            if not within or now - self._last >= self._every:
                self._last, self._validated = now, ""
                place = f"{epoch}, step {metrics['step']}" if within else epoch
                self._print(f"{name}: {place}  {numbers}")
            return
        self._draw(name, metrics["epoch"], self._epochs, epoch=epoch, numbers=numbers)


def validation_text(metrics: dict[str, Any]) -> str:
    """The figures of a validation, without the refused ones.

    Example:
        >>> validation_text({"tar": 0.9712, "eer": 0.0123, "rank_1": None})
        'val TAR 97.1%  EER 1.2%'
    """
    names = {"tar": "TAR", "eer": "EER", "rank_1": "rank 1"}
    return "val " + "  ".join(f"{name} {metrics[key]:.1%}" for key, name in names.items() if metrics[key] is not None)


def short(value: float) -> str:
    """A loss as text: three decimals, or a power of ten where that would be long.

    Example:
        >>> short(1.25), short(1.6e38)
        ('1.250', '1.600e+38')
    """
    return f"{value:.3f}" if abs(value) < 1e5 else f"{value:.3e}"


def summary_line(summary: dict[str, Any]) -> str:
    """One line on a run: accuracies, angles, time, and the best validation."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{value:.2%}"

    shape, angle = summary["geometry"], GEOMETRY["mean_intra_angle"]
    width = "-" if shape is None else angle.figure(shape[angle.key]).value_text
    line = (
        f"{summary['name']:<24} train {percent(summary['train_accuracy']):>7}  test "
        f"{percent(summary['test_accuracy']):>7}  {angle.name} {width:>6}  {summary['seconds']:.0f} s"
    )
    validation = summary.get("validation")
    return f"{line}  {validation_text(validation['best'])} in epoch {validation['best_epoch']}" if validation else line
