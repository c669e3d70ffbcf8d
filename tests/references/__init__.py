"""Reference implementation of every loss in float64 NumPy, from the formulas alone.

A formula takes the problem g and the problem g0 at which it takes what a loss holds fixed by definition: equal to g for
the value; for the gradient, g moves and g0 stays.
"""

from dataclasses import asdict

from . import adaptive, bending, binary, classic, imbalance
from ._given import Given

GROUPS = (classic, bending, adaptive, binary, imbalance)
EVERY_MARGIN = [margin for group in GROUPS for margin in group.MARGINS]
FORMULAS = {name: formula for group in GROUPS for name, formula in group.FORMULAS.items()}


def losses(margin, x, w, y, b=None, statistics=None, held_at=None):
    """(N,) losses of a margin by its formula; `held_at` is (x, w) where what is held fixed is taken."""
    fields, numbers = asdict(margin), {name: float(value) for name, value in (statistics or {}).items()}
    g = Given(fields, x, w, y, b, numbers)
    g0 = g if held_at is None else Given(fields, held_at[0], held_at[1], y, b, numbers)
    return FORMULAS[type(margin).__name__](g, g0)
