"""Figures and report of a run or of a comparison, for the commands that end with them."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from ..common.extras import MissingExtraError
from ..common.run_folder import COMPARISON, read_comparison


def report_if_possible(folder: Path, jobs: int = 1, *, trust: bool) -> str:
    """Write the report and return its path, or return the reason why there is none: plots are an extra."""
    try:
        return str(write_report(folder, jobs, trust=trust))
    except MissingExtraError as error:
        return f"no figures and no report: {error}, then run: cones plot {folder}"


def write_report(folder: Path, jobs: int = 1, *, trust: bool) -> Path:
    """Write the report of a run, or of a comparison and of each of its runs.

    Args:
        folder: of the run or of the comparison.
        jobs: reports at a time, each in a process of its own if there are several.
        trust: whether code of one's own that the files name may be imported.

    Returns:
        The path of report.html.
    """
    from ..plots import write_comparison_report, write_run_report

    if (folder / COMPARISON).exists():
        runs = [folder / name for name in read_comparison(folder).runs]
        if jobs > 1:
            with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
                list(pool.map(partial(write_run_report, trust=trust), runs))
        else:
            for run in runs:
                write_run_report(run, trust=trust)
        return write_comparison_report(folder, trust=trust)
    return write_run_report(folder, trust=trust)
