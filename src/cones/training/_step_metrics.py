"""Metrics of a step over its batches and all ranks."""

import torch
from torch import Tensor

from ._joint import JointLoss, Parts
from ._world import World

FIRST = ("loss", "accuracy", "target_cosine")


class StepMetrics:
    """Sums over the rows of a step, of which each rank adds its own.

    Args:
        world: the ranks.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._names: tuple[str, ...] = FIRST
        self._sums: Tensor | None = None
        self._rows = 0
        self._means: dict[str, float] = {}

    def add(self, loss: JointLoss, features: Tensor, labels: Tensor, parts: Parts, num_rows: int) -> None:
        """Add a batch of N rows, of which this rank has features (n, D) and labels (n,)."""
        right = (loss.predict(features) == labels).double().sum()
        cosine = loss.target_cosine(features, labels).double().sum()
        # a rank's total and terms are weighted so that their average over the ranks is that of the batch
        averaged = torch.stack([part.detach().double() for part in (parts.total, *parts.terms.values())])
        averaged = averaged * num_rows / self._world.size
        sums = torch.cat([averaged[:1], torch.stack([right, cosine]), averaged[1:]])
        self._names = (*FIRST, *parts.terms)
        self._sums = sums if self._sums is None else self._sums + sums
        self._rows += num_rows

    def means(self) -> dict[str, float]:
        """Loss, accuracy and cosine to the own class, means over all rows."""
        assert self._sums is not None
        means = (self._world.sum(self._sums) / self._rows).tolist()
        self._means = dict(zip(self._names[len(FIRST) :], means[len(FIRST) :], strict=True))
        return dict(zip(FIRST, means, strict=False))

    def terms(self) -> dict[str, float]:
        """The feature losses by name, after `means`."""
        return self._means
