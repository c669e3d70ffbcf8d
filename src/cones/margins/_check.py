"""Checks of hyperparameters, each an error that names the field, the value and what was expected."""

from torch import Tensor

from ..common import checks


def check_positive(owner: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number above 0; a tensor (a learnt scale) is taken as it is."""
    if not isinstance(value, Tensor):
        checks.check_positive(f"{owner}: {name}", value)


def check_not_negative(owner: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number of at least 0; a tensor is taken as it is."""
    if not isinstance(value, Tensor):
        checks.check_not_negative(f"{owner}: {name}", value)


def check_finite(owner: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number; a tensor is taken as it is."""
    if not isinstance(value, Tensor):
        checks.check_finite(f"{owner}: {name}", value)


def check_multiple(owner: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is a whole number of at least 1 (the m of psi)."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{owner}: {name} is {value!r}, expected a whole number of at least 1 (1, 2, 3, 4, ...)")


def check_counts(owner: str, counts: object) -> None:
    """Raise ValueError unless `counts` is a tuple of whole numbers of at least 1, one per class."""
    if not isinstance(counts, tuple) or not counts:
        raise ValueError(
            f"{owner}: counts is {counts!r}, expected a tuple of samples per class, "
            f"such as tuple(torch.bincount(labels).tolist())"
        )
    if set(map(type, counts)) == {int} and min(counts) >= 1:
        return
    for place, count in enumerate(counts):
        if type(count) is not int or count < 1:
            raise ValueError(
                f"{owner}: counts[{place}] is {count!r}, expected a whole number of at least 1: "
                f"leave out a class without samples"
            )
