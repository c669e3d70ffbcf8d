"""Runs side by side: each in a process of its own, which sends its metrics to the parent through a pipe."""

import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple, cast

from ..common.interrupts import unheard_by_children
from ._loop import fit
from ._metrics import Metrics
from ._results import write_results
from ._run import Run
from ._stop import Stop
from .data import DataCache

PATIENCE = 0.2
"""Seconds between two looks at whether a stop was requested."""


class Child(NamedTuple):
    """A process that trains the run `name`."""

    name: str
    process: SpawnProcess


def train_to_the_end(
    run: Run, folder: Path, name: str, data_folder: Path | None, stop: Stop, data: DataCache
) -> Iterator[Metrics]:
    """Yield the metrics of `fit` and, once the results are written, {"kind": "end"}; without it, if stopped."""
    yield from fit(run, folder, resume=True, data=data, data_folder=data_folder, stop=stop)
    if stop.requested:
        return
    summary = write_results(folder, name=name, data=data, data_folder=data_folder, trust=run.trust)
    yield ended(summary)


def ended(summary: Metrics) -> Metrics:
    """Metrics that say that a run is trained and its results are written."""
    return {"kind": "end", "step": summary["step"], "epoch": summary["epoch"], "accuracy": summary["test_accuracy"]}


def one_by_one(
    runs: Mapping[str, Run], folder: Path, *, data_folder: Path | None, stop: Stop, data: DataCache
) -> Iterator[tuple[str, Metrics]]:
    """Train runs in this process, one after another, on data that are read once; otherwise as `side_by_side`."""
    for name, run in runs.items():
        if stop.requested:
            return
        try:
            for metrics in train_to_the_end(run, folder / name, name, data_folder, stop, data):
                yield name, metrics
        except Exception as error:  # the other losses are trained all the same
            yield name, {"kind": "error", "error": _text(error)}


def side_by_side(
    runs: Mapping[str, Run], folder: Path, *, jobs: int, data_folder: Path | None, stop: Stop
) -> Iterator[tuple[str, Metrics]]:
    """Train runs in processes of their own, `jobs` at a time, each in the folder of its name; each reads its data once.

    A stop is passed on to the processes, which end after the step under way, with a checkpoint. So they do when this
    process dies: its end of the pipes is closed.

    Args:
        runs: by name, in the order in which they start.
        folder: that of the comparison.
        jobs: processes at a time.
        data_folder: where named data sets are kept; None for the usual place.
        stop: a request to end.

    Yields:
        pairs of a run's name and its metrics: those of `fit`, then {"kind": "end"} or {"kind": "error", "error": TEXT}.
    """
    waiting = list(runs.items())
    children: dict[Connection, Child] = {}
    reported: set[str] = set()  # runs that sent how they ended
    asked = False
    try:
        while children or (waiting and not stop.requested):
            while waiting and len(children) < jobs and not stop.requested:
                name, run = waiting.pop(0)
                pipe, child = _start(name, run, folder / name, data_folder)
                children[pipe] = child
            if stop.requested and not asked:
                asked = True
                for pipe in children:
                    with suppress(OSError):  # it has ended already
                        pipe.send(None)
            for ready in wait(list(children), timeout=PATIENCE):
                pipe = cast(Connection, ready)
                name = children[pipe].name
                try:
                    metrics: Metrics = pipe.recv()
                except (EOFError, OSError):
                    process = children.pop(pipe).process
                    process.join()
                    pipe.close()
                    if name not in reported and not stop.requested:
                        yield name, {"kind": "error", "error": _last_words(process)}
                    continue
                if metrics["kind"] == "warning":
                    warnings.warn(metrics["text"], stacklevel=2)
                    continue
                if metrics["kind"] in ("end", "error"):
                    reported.add(name)
                yield name, metrics
    finally:
        for pipe in children:
            pipe.close()  # which ends the child as a stop does
        for child in children.values():
            child.process.join()


def _start(name: str, run: Run, folder: Path, data_folder: Path | None) -> tuple[Connection, Child]:
    context = get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_child, args=(run, folder, name, data_folder, its), name=name, daemon=True)
    with unheard_by_children():
        process.start()
    its.close()  # so that this end hears when the child is gone
    return mine, Child(name, process)


def _child(run: Run, folder: Path, name: str, data_folder: Path | None, pipe: Connection) -> None:
    """Train one run and send its metrics; a message from the parent, or the end of the pipe, requests a stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal: the parent passes it on
    stop = Stop()

    def say(metrics: Metrics) -> None:
        try:
            pipe.send(metrics)
        except OSError:  # the parent is gone
            stop.request()

    def listen() -> None:
        with suppress(EOFError, OSError):
            pipe.recv()
        stop.request()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say({"kind": "warning", "text": str(message)})

    warnings.showwarning = show
    threading.Thread(target=listen, daemon=True).start()
    try:
        for metrics in train_to_the_end(run, folder, name, data_folder, stop, DataCache()):
            say(metrics)
    except Exception as error:
        say({"kind": "error", "error": _text(error)})


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def _last_words(process: SpawnProcess) -> str:
    code = process.exitcode or 0
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process stopped before the end, with exit code {code}"
