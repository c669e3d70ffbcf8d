"""Figures and report of a run or of a comparison, for the commands that end with them."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from ..common.extras import MissingExtraError
from ..common.interrupts import unheard_by_children
from ..common.run_folder import COMPARISON, REPORT, read_comparison

Progress = Callable[[int, int], None]
"""Called with the reports that are drawn and with their number, first with 0."""


def ignore(done: int, total: int, /) -> None:
    """Show nothing."""


def report_if_possible(
    folder: Path, jobs: int = 1, *, trust: bool, redraw: bool = True, progress: Progress = ignore
) -> str:
    """Write the report and return its path, or return the reason why there is none: plots are an extra."""
    try:
        return str(write_report(folder, jobs, trust=trust, redraw=redraw, progress=progress))
    except MissingExtraError as error:
        return f"no figures and no report: {error}, then run: cones plot {folder}"


def write_report(folder: Path, jobs: int = 1, *, trust: bool, redraw: bool = True, progress: Progress = ignore) -> Path:
    """Write the report of a run, or of a comparison and of each of its runs.

    Args:
        folder: of the run or of the comparison.
        jobs: reports at a time, each in a process of its own if there are several.
        trust: whether code of one's own that the files name may be imported.
        redraw: whether reports are drawn whose files have not changed since.
        progress: is called as reports are drawn.

    Returns:
        The path of report.html.
    """
    from ..plots import write_comparison_report, write_run_report
    from ..plots.runs.up_to_date import is_up_to_date

    comparison = (folder / COMPARISON).exists()
    runs = [folder / name for name in read_comparison(folder).runs] if comparison else [folder]
    waiting = [run for run in runs if redraw or not is_up_to_date(run)]
    again = comparison and (redraw or not is_up_to_date(folder))
    total = len(waiting) + again
    if total:
        progress(0, total)
    for done, _ in enumerate(_each(partial(write_run_report, trust=trust), waiting, jobs), 1):
        progress(done, total)
    if again:
        write_comparison_report(folder, trust=trust)
        progress(total, total)
    return folder / REPORT


def draw_if_possible(run: Path, *, trust: bool) -> float:
    """Write the report of a run, and return the seconds that this took; 0 if it was up to date.

    If it cannot be written nothing is raised: `write_report` says why once all runs are trained.
    """
    began, drawn = time.monotonic(), []
    with suppress(Exception):
        write_report(run, trust=trust, redraw=False, progress=lambda *_: drawn.append(True))
    return time.monotonic() - began if drawn else 0.0


def _each(write: Callable[[Path], Path], runs: Sequence[Path], jobs: int) -> Iterator[Path]:
    """Write the report of each run, `jobs` at a time, and yield their paths as they are written."""
    if min(jobs, len(runs)) < 2:
        yield from map(write, runs)
        return
    pool = ProcessPoolExecutor(min(jobs, len(runs)), get_context("spawn"))
    try:
        with unheard_by_children():
            written = [pool.submit(write, run) for run in runs]
        for each in as_completed(written):
            yield each.result()
    finally:
        pool.shutdown(cancel_futures=True)
