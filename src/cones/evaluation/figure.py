"""A figure as a line of a table: one name, one unit and one way to write it, wherever it is shown."""

import math
from typing import Literal, NamedTuple

from ._bootstrap import Interval

Unit = Literal["share", "degrees", ""]
"""A share in 0..1, which is written in percent; degrees; or a plain number."""

NOT_AVAILABLE = "n/a"


class Figure(NamedTuple):
    """One line of a table.

    Attributes:
        task: "verification", "identification", "retrieval" or "geometry".
        name: such as "TAR at FAR 0.001".
        value: in its unit; None where it is refused.
        unit: "share" in 0..1, "degrees", or "" for a plain number.
        interval: in the same unit; None where there is none.
        threshold: the score at or above which a pair is accepted; None where the figure has none.
        note: what else is to be known, or why there is no value.
    """

    task: str
    name: str
    value: float | None
    unit: Unit = ""
    interval: Interval | None = None
    threshold: float | None = None
    note: str = ""

    @property
    def value_text(self) -> str:
        """The value as it is shown: "98.77 %", "29.8°", "0.9876" or "n/a"."""
        return NOT_AVAILABLE if self.value is None else _written(self.value, self.unit)

    @property
    def interval_text(self) -> str:
        """The interval as it is shown: "97.10 – 98.77 %"; "" without."""
        if self.interval is None:
            return ""
        low, high = (_written(end, self.unit) for end in self.interval)
        return f"{low.rstrip(' %°')} – {high}"

    @property
    def threshold_text(self) -> str:
        """The threshold with six digits, or in words where it is not finite; "" without."""
        return "" if self.threshold is None else threshold_text(self.threshold)


def percent(share: float) -> str:
    """A share in percent, with two decimals, and more where it is close to none or all.

    Example:
        >>> percent(0.98765), percent(0.0000324), percent(0.9999968), percent(1.0)
        ('98.77 %', '0.0032 %', '99.99968 %', '100.00 %')
    """
    nearest = 100 * min(share, 1 - share)
    decimals = 2 if nearest <= 1e-12 else max(2, 1 - math.floor(math.log10(nearest)))
    return f"{100 * share:.{min(decimals, 12)}f} %"


def threshold_text(threshold: float) -> str:
    """A threshold with six digits, or in words where it is not finite.

    Example:
        >>> threshold_text(0.7772341), threshold_text(math.inf)
        ('0.777234', 'accepts none')
    """
    if math.isinf(threshold):
        return "accepts none" if threshold > 0 else "accepts all"
    return f"{threshold:.6g}"


def _written(value: float, unit: Unit) -> str:
    if unit == "share":
        return percent(value)
    if unit == "degrees":
        return f"{value:.1f}°"
    return f"{value:.4g}" if math.isfinite(value) else str(value)
