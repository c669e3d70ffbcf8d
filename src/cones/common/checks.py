"""Checks of numbers, each an error that names the argument, the value and what was expected."""

import math
from numbers import Integral, Real

from .expressions import brief


def check_count(name: str, value: object, least: int, fix: str = "") -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} is {value!r}, expected a whole number of at least {least}{fix and f': {fix}'}")


def check_seed(seed: object) -> None:
    """Raise ValueError unless `seed` is a whole number in [0, 2^31)."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**31:
        raise ValueError(f"seed is {brief(repr(seed))}, expected a whole number of at least 0 and below 2^31")


def check_probability(name: str, value: object) -> None:
    """Raise ValueError unless `value` is in (0, 1)."""
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise ValueError(f"{name} is {value!r}, expected a number between 0 and 1, both excluded, such as 0.9")


def check_positive(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number above 0."""
    if not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} is {value!r}, expected a finite number above 0")


def check_not_negative(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number of at least 0."""
    if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is {value!r}, expected a finite number of at least 0")


def check_finite(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number."""
    if not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, expected a finite number")
