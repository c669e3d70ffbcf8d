"""Margin schedules: values, called with the step (1, 2, ...). Their only state is the step."""

import math
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Annealing:
    """The lambda of L-Softmax and A-Softmax, for the field `blend`.

        lambda_t = max(minimum, base (1 + gamma t)^-power),   t = 1, 2, ...

    Args:
        base: above 0.
        gamma: a step's weight, at least 0.
        power: at least 0.
        minimum: where it stops, at least 0; 5 leaves a sixth of the margin in force.

    Raises:
        ValueError: a field is out of its range.

    Reference: the authors' layers for Liu et al. 2016 and 2017; the defaults are SphereFace-20's on CASIA.

    Example:
        >>> [round(Annealing()(t), 2) for t in (1, 1000, 10000)]
        [892.86, 8.26, 5.0]
    """

    base: float = 1000.0
    gamma: float = 0.12
    power: float = 1.0
    minimum: float = 5.0

    def __post_init__(self) -> None:
        for name in ("base", "gamma", "power", "minimum"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"Annealing: {name} is {getattr(self, name)}, expected at least 0")

    def __call__(self, step: int) -> float:
        """lambda at a step."""
        return max(self.minimum, float(self.base * (1 + self.gamma * step) ** -self.power))


PAPER_ANNEALINGS = {
    "L_SOFTMAX_MNIST": Annealing(1000.0, 2.5e-5, 35.0, 0.0),
    "L_SOFTMAX_CIFAR10": Annealing(1000.0, 2e-5, 45.0, 0.0),
    "L_SOFTMAX_CIFAR10_PLUS": Annealing(1000.0, 1e-5, 45.0, 0.0),
    "SPHEREFACE_20": Annealing(1000.0, 0.12, 1.0, 5.0),
}
"""The papers' settings by name; in an objective write `blend=SPHEREFACE_20`."""


@dataclass(frozen=True)
class LinearWarmup:
    """Linear from start to end over `steps` steps, then end.

    Args:
        start, end: values of a margin's field.
        steps: at least 1.

    Example:
        >>> [LinearWarmup(0.0, 0.5, 4)(step) for step in (1, 2, 4, 9)]
        [0.125, 0.25, 0.5, 0.5]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check_steps("LinearWarmup", self.steps)

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return self.start + (self.end - self.start) * min(step / self.steps, 1.0)


@dataclass(frozen=True)
class CosineWarmup:
    """Half a cosine from start to end over `steps` steps, then end.

    Args:
        start, end: values of a margin's field.
        steps: at least 1.

    Example:
        >>> [round(CosineWarmup(0.0, 1.0, 4)(step), 3) for step in (1, 2, 4, 9)]
        [0.146, 0.5, 1.0, 1.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check_steps("CosineWarmup", self.steps)

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return self.start + (self.end - self.start) * (1 - math.cos(math.pi * min(step / self.steps, 1.0))) / 2


@dataclass(frozen=True)
class ExponentialWarmup:
    """Geometric from start to end over `steps` steps, a constant factor per step, then end.

    Args:
        start, end: values of a margin's field, both above 0.
        steps: at least 1.

    Example:
        >>> [ExponentialWarmup(1.0, 16.0, 4)(step) for step in (1, 2, 4, 9)]
        [2.0, 4.0, 16.0, 16.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check_steps("ExponentialWarmup", self.steps)
        if not (self.start > 0 and self.end > 0):
            raise ValueError(f"ExponentialWarmup: start is {self.start} and end {self.end}, expected both above 0")

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return float(self.start * (self.end / self.start) ** min(step / self.steps, 1.0))


Schedule: TypeAlias = Annealing | LinearWarmup | CosineWarmup | ExponentialWarmup


def _check_steps(owner: str, steps: int) -> None:
    if steps < 1:
        raise ValueError(f"{owner}: steps is {steps}, expected at least 1")
