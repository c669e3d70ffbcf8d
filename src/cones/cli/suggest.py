"""`cones suggest`: scale and margin for K classes in D dims."""

from dataclasses import dataclass

from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Suggest:
    """Print the papers' bounds on scale and margin for K classes in D dims, and values to start with.

    Args:
        classes: number of classes K, at least 2
        dim: dimension D of the features, at least 2
        probability: probability of the own class that the scale should allow, between 0 and 1
        traceback: show the full traceback of an error
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
