"""Tell whether a report still shows the files of its run or comparison, so that it need not be drawn again."""

import hashlib
from pathlib import Path

from ... import __version__
from ...common.run_folder import COMPARISON, CONFIG, FEATURES, FIGURES, METRICS, REPORT, SUMMARY, read_comparison

READ_AT_MOST = 2048
"""Bytes at the start of a report among which its mark is."""


def mark_of(folder: Path) -> str:
    """Hash of all that the report of a run or comparison is drawn from, and of the version that draws it."""
    total = hashlib.sha256(__version__.encode())
    runs = [folder]
    if (folder / COMPARISON).is_file():
        total.update((folder / COMPARISON).read_bytes())
        runs = [folder / name for name in read_comparison(folder).runs]
        total.update(bytes((run / REPORT).is_file() for run in runs))  # it links to those that are there
    for run in runs:
        for name in (CONFIG, METRICS, FEATURES, SUMMARY):
            total.update(hashlib.sha256((run / name).read_bytes()).digest())
    return total.hexdigest()


def is_up_to_date(folder: Path) -> bool:
    """Return whether the report of a run or comparison bears the mark of the files as they are, beside its figures."""
    try:
        with (folder / REPORT).open("rb") as report:
            return mark_of(folder).encode() in report.read(READ_AT_MOST) and any((folder / FIGURES).glob("*.png"))
    except (OSError, ValueError):  # something is missing or broken, which drawing reports
        return False
