"""Intervals by resampling subjects: samples of one subject are not independent of each other."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..common.checks import check_seed
from .figure import Interval


@dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals of a figure when whole subjects are resampled with replacement.

    Args:
        resamples: number of resamples; 0 for no intervals.
        confidence: share of the resamples between the two ends, in 0..1.
        seed: of the resamples.

    Raises:
        ValueError: a field is out of its range.

    Reference: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993, ch. 13 (percentiles).
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 0:
            raise ValueError(f"resamples is {self.resamples}, expected 0 (no intervals) or more, such as 1000")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}, expected a share between 0 and 1, such as 0.95")
        check_seed(self.seed)

    @property
    def percentiles(self) -> Tensor:
        """Quantiles (2,) float64 at the ends of the interval: 0.025 and 0.975 for a confidence of 0.95."""
        return torch.tensor([(1 - self.confidence) / 2, (1 + self.confidence) / 2], dtype=torch.float64)

    @property
    def generator(self) -> torch.Generator:
        """A new generator with the seed."""
        return torch.Generator().manual_seed(self.seed)

    def interval(
        self, figure: Callable[[Tensor], float], subjects: Tensor, strata: Tensor | None = None
    ) -> Interval | None:
        """The interval of `figure`.

        Args:
            figure: maps the number of times that each row was drawn, (N,) float64, to a number.
            subjects: (N,) integers.
            strata: (N,) booleans, equal for the rows of a subject; both kinds keep their number of subjects.

        Returns:
            (low, high), or None without resamples or with fewer than two subjects (of a kind).
        """
        names, place = subjects.cpu().unique(return_inverse=True)
        kind = torch.zeros(len(names), dtype=torch.bool)
        if strata is not None:
            kind[place] = strata.cpu()
        kinds = [members for members in (kind.nonzero()[:, 0], (~kind).nonzero()[:, 0]) if len(members)]
        if self.resamples == 0 or not kinds or min(len(members) for members in kinds) < 2:
            return None
        generator = self.generator
        figures = []
        for _ in range(self.resamples):
            drawn = [m[torch.randint(len(m), m.shape, generator=generator)] for m in kinds]
            times = torch.bincount(torch.cat(drawn), minlength=len(names)).to(torch.float64)
            figures.append(figure(times[place].to(subjects.device)))
        low, high = torch.tensor(figures, dtype=torch.float64).quantile(self.percentiles).tolist()
        return low, high


def weighted_mean(values: Tensor, times: Tensor) -> float:
    """Mean of `values` (N,), booleans or numbers, each counted `times` (N,) times."""
    return ((values * times).sum() / times.sum()).item()
