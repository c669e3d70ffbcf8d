from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class VerificationSettings:
    """Settings of the figures of verification; the fields are the arguments of `verification`.

    Raises:
        ValueError: a field is out of its range.
    """

    far: Sequence[float]
    p_target: float
    costs: tuple[float, float]
    min_pairs: int

    def __post_init__(self) -> None:
        for rate in self.far:
            if not 0 <= rate <= 1:
                raise ValueError(f"far holds {rate}, expected rates in [0, 1]: 0.1 percent is 1e-3")
        if not 0 < self.p_target < 1:
            raise ValueError(f"p_target is {self.p_target}, expected a probability in (0, 1)")
        if not all(cost > 0 for cost in self.costs):
            raise ValueError(
                f"costs is {self.costs}, expected two numbers above 0: the costs of a miss and of a false alarm"
            )
        if self.min_pairs < 1:
            raise ValueError(f"min_pairs is {self.min_pairs}, expected at least 1: a rate needs a pair")
