"""Figures as lines of one table: one name, one unit and one format each, wherever they are shown."""

import math
from typing import Literal, NamedTuple

Interval = tuple[float, float]
"""Low and high end, in the unit of the figure."""

Unit = Literal["share", "degrees", ""]
"""A share in 0..1, which is shown in percent; degrees; or a plain number."""

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
        note: a remark, or the reason why there is no value.
        headline: whether a report shows it at its head.
    """

    task: str
    name: str
    value: float | None
    unit: Unit = ""
    interval: Interval | None = None
    threshold: float | None = None
    note: str = ""
    headline: bool = False

    @property
    def value_text(self) -> str:
        """The value as it is shown: "98.77 %", "29.8°", "0.9876" or "n/a"."""
        return NOT_AVAILABLE if self.value is None else _formatted(self.value, self.unit)

    @property
    def interval_text(self) -> str:
        """The interval as it is shown: "97.10 – 98.77 %"; "" without."""
        if self.interval is None:
            return ""
        low, high = (_formatted(end, self.unit) for end in self.interval)
        return f"{low.rstrip(' %°')} – {high}"

    @property
    def threshold_text(self) -> str:
        """The threshold with six digits, or in words where it is not finite; "" without."""
        return "" if self.threshold is None else threshold_text(self.threshold)


class Quantity(NamedTuple):
    """Name, unit and remark of a figure, without a value. All of them are in `cones.evaluation.quantities`.

    Attributes:
        task: as of `Figure`.
        key: the field of the result that holds the value.
        name: as it is shown; braces take the rate, rank or number of neighbours that it is measured at.
        unit: in which it is shown; "degrees" for a field in radians.
        note: a remark that goes with every value.
        headline: whether a report shows it at its head.
    """

    task: str
    key: str
    name: str
    unit: Unit = ""
    note: str = ""
    headline: bool = False

    def figure(
        self,
        value: float | None,
        at: float | None = None,
        *,
        interval: Interval | None = None,
        threshold: float | None = None,
        note: str = "",
    ) -> Figure:
        """The figure with a value.

        Args:
            value: of the field `key`, an angle in radians; None where it is refused.
            at: the rate, rank or number of neighbours in the name.
            interval: as of the value.
            threshold: the score at or above which a pair is accepted.
            note: in place of the quantity's own.
        """
        if self.unit == "degrees":
            value = None if value is None else math.degrees(value)
            interval = None if interval is None else (math.degrees(interval[0]), math.degrees(interval[1]))
        name = self.name.format(at)
        return Figure(self.task, name, value, self.unit, interval, threshold, note or self.note, self.headline)


def percent(share: float, decimals: int | None = None) -> str:
    """A share in percent; by default with two decimals, and more where it is close to 0 or 1.

    Example:
        >>> percent(0.98765), percent(0.0000324), percent(0.9999968), percent(1.0), percent(0.98765, 1)
        ('98.77 %', '0.0032 %', '99.99968 %', '100.00 %', '98.8 %')
    """
    if decimals is None:
        nearest = 100 * min(share, 1 - share)
        decimals = 2 if nearest <= 1e-12 else min(12, max(2, 1 - math.floor(math.log10(nearest))))
    return f"{100 * share:.{decimals}f} %"


def threshold_text(threshold: float) -> str:
    """A threshold with six digits, or in words where it is not finite.

    Example:
        >>> threshold_text(0.7772341), threshold_text(math.inf)
        ('0.777234', 'accepts none')
    """
    if math.isinf(threshold):
        return "accepts none" if threshold > 0 else "accepts all"
    return f"{threshold:.6g}"


def _formatted(value: float, unit: Unit) -> str:
    if unit == "share":
        return percent(value)
    if unit == "degrees":
        return f"{value:.1f}°"
    return f"{value:.4g}" if math.isfinite(value) else str(value)
