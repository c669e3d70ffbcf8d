"""Scale and margin for K classes in D dims: what to start with, and what lies far outside the papers' bounds."""

from ._far_outside import far_outside as far_outside
from ._rows import Bound as Bound
from ._suggest import Suggestion as Suggestion
from ._suggest import suggest as suggest

__all__ = [
    "Bound",
    "Suggestion",
    "far_outside",
    "suggest",
]
