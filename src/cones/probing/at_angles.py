"""A margin asked at chosen angles: what the linter judges and what its picture shows."""

# R rows, C other classes of each row.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..margins import Margin, Rows

SEED = 0


@dataclass(frozen=True)
class MarginProbe:
    """A margin in one situation: all rows have one label and the same norms, only angles differ.

    Args:
        margin: any Margin.
        statistics: its running numbers.
        feature_norm: |x|.
        weight_norm: |w|, of the own class and of the others.
        label: the own class.
        alone: ask for every row in a call of its own, so that rows cannot see each other and a margin that draws at
            random draws the same for each.
    """

    margin: Margin
    statistics: Mapping[str, Tensor]
    feature_norm: float = 20.0
    weight_norm: float = 1.0
    label: int = 0
    alone: bool = False

    @property
    def length(self) -> float:
        """What a cosine is multiplied by to be a similarity in the margin's geometry."""
        feature = self.feature_norm if self.margin.features == "raw" else 1.0
        return feature * (self.weight_norm if self.margin.weights == "raw" else 1.0)

    @property
    def neutral(self) -> float:
        """What a cosine is multiplied by to be a logit without margin."""
        return self.length * float(torch.as_tensor(self.margin.scale_with(self.statistics)).detach())

    def target(self, own: Tensor) -> Tensor:
        """Logits (R,) of the own class, at cosines (R,)."""
        return by_row(lambda own: self.margin.target(*self._rows(own)), own, alone=self.alone)

    def others(self, other: Tensor, own: Tensor) -> Tensor:
        """Logits (R, C) of other classes at cosines (R, C), with the own class at (R,)."""

        def others(other: Tensor, own: Tensor) -> Tensor:
            similarity, rows = self._rows(own)
            return self.margin.others(self.length * other, self.margin.target(similarity, rows), rows)

        return by_row(others, other, own, alone=self.alone)

    def losses(self, own: Tensor, other: Tensor) -> Tensor:
        """Losses (R,) with the own class at cosines (R,) and the others at (R, C), without a bias."""

        def losses(own: Tensor, other: Tensor) -> Tensor:
            similarity, rows = self._rows(own)
            return losses_of(self.margin, similarity, self.length * other, rows)

        return by_row(losses, own, other, alone=self.alone)

    def _rows(self, own: Tensor) -> tuple[Tensor, Rows]:
        similarity, one = self.length * own, torch.ones_like(own)
        label = torch.full_like(own, self.label, dtype=torch.long)
        summaries = tuple(one for _ in self.margin.others_summaries())
        norms = self.feature_norm * one, self.weight_norm * one
        return similarity, Rows(similarity, *norms, label, self.statistics, summaries)


def losses_of(margin: Margin, similarity: Tensor, other: Tensor, rows: Rows) -> Tensor:
    """Losses (R,) from similarities (R,) to the own class and (R, C) to the others, without a bias."""
    target = margin.target(similarity, rows)
    logits = margin.others(other, target, rows)
    losses, penalty = margin.join(target, margin.rest(logits)), margin.penalty(rows)
    return losses if penalty is None else losses + penalty


def seeded(function: Callable[[], Tensor], seed: int = SEED) -> Tensor:
    """What `function` returns with the random numbers of `seed`; the caller's generator stays where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return function()


def by_row(function: Callable[..., Tensor], *rows: Tensor, alone: bool) -> Tensor:
    """What `function` returns for tensors of N rows, with the random numbers of the seed: for all rows at once, or for
    each alone, in a call of its own."""
    if not alone:
        return seeded(partial(function, *rows))
    each = zip(*(tensor.split(1) for tensor in rows), strict=True)
    return torch.cat([seeded(partial(function, *row)) for row in each])
