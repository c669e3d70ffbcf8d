"""`cones suggest`: scale and margin for K classes in D dims."""

from dataclasses import dataclass

from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Suggest:
    """Print the papers' bounds on scale and margin for so many classes and dims, and what to take.

    Args:
        classes: K, at least 2
        dim: D, of the features, at least 2
        probability: that the scale is to reach, between 0 and 1
        traceback: show where an error came from
    """

    classes: int
    dim: int
    probability: float = 0.9
    traceback: bool = False

    def execute(self) -> int:
        """Print the bounds and the advice."""
        from ..suggestion import suggest

        try:
            print(suggest(self.classes, self.dim, self.probability))
        except ValueError as error:
            raise UsageError(f"--{str(error).replace('num_classes', 'classes')}") from error
        return 0
