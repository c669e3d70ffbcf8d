"""Checks of a new margin, reported in words: what holds of it and what does not."""

from ._check import check_margin as check_margin
from ._report import Cost as Cost
from ._report import Finding as Finding
from ._report import MarginReport as MarginReport

__all__ = [
    "Cost",
    "Finding",
    "MarginReport",
    "check_margin",
]
