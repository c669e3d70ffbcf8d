"""Logits and losses of a margin at chosen angles: evaluated by the linter, the catalogue and the figures."""

# R rows, C other classes of each row.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from ..margins import Margin, Rows

T = TypeVar("T")

SEED = 0
NUM_CLASSES = 10
USUAL_NORM = 10.0


@dataclass(frozen=True)
class MarginProbe:
    """A margin at fixed norms, label and running numbers, as a function of the angles alone.

    All rows have one label and the same norms. The target is that of a row whose reductions over the other classes
    (`Margin.others_summaries`) are 0, as if there were none.

    Args:
        margin: any Margin.
        statistics: its running numbers; None takes them as they start for `NUM_CLASSES` classes.
        feature_norm: |x|.
        weight_norm: |w|, of the own class and of the others.
        label: the own class.
        alone: evaluate each row in a call of its own, so that rows cannot see each other and a margin that draws at
            random draws the same for each.
    """

    margin: Margin
    statistics: Mapping[str, Tensor] | None = None
    feature_norm: float = USUAL_NORM
    weight_norm: float = 1.0
    label: int = 0
    alone: bool = False

    @property
    def numbers(self) -> Mapping[str, Tensor]:
        """The running numbers by name, 0-dim."""
        if self.statistics is not None:
            return self.statistics
        start = self.margin.init_statistics(NUM_CLASSES)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in start.items()}

    @property
    def length(self) -> float:
        """The factor from a cosine to a similarity in the margin's geometry."""
        feature = self.feature_norm if self.margin.features == "raw" else 1.0
        return feature * (self.weight_norm if self.margin.weights == "raw" else 1.0)

    @property
    def neutral(self) -> float:
        """The factor from a cosine to a logit without margin: the scale times `length`."""
        scale = self.margin.scale_with(self.numbers)
        return self.length * float(torch.as_tensor(scale, dtype=torch.float64).detach())

    def rows(self, own: Tensor) -> Rows:
        """Rows (R,) at cosines (R,) to the own class."""
        one = torch.ones_like(own)
        label = torch.full_like(own, self.label, dtype=torch.long)
        summaries, noise = tuple(0 * one for _ in self.margin.others_summaries()), noise_of(self.margin, own)
        norms = self.feature_norm * one, self.weight_norm * one
        return Rows(self.length * own, *norms, label, self.numbers, summaries, noise)

    def target(self, own: Tensor) -> Tensor:
        """Logits (R,) of the own class, at cosines (R,)."""
        return by_row(self._target, own, alone=self.alone)

    def others(self, other: Tensor, own: Tensor, target: Tensor | None = None) -> Tensor:
        """Logits (R, C) of other classes at cosines (R, C).

        Args:
            other: (R, C) cosines to the other classes.
            own: (R,) cosines to the own class.
            target: (R,) logits of the own class; None takes those at `own`.
        """

        def others(other: Tensor, own: Tensor, *given: Tensor) -> Tensor:
            rows = self.rows(own)
            target = given[0] if given else self.margin.target(rows.similarity, rows)
            return self.margin.others(self.length * other, target, rows)

        return by_row(others, other, own, *(() if target is None else (target,)), alone=self.alone)

    def losses(self, own: Tensor, other: Tensor) -> Tensor:
        """Losses (R,) with the own class at cosines (R,) and the others at (R, C), without a bias."""

        def losses(own: Tensor, other: Tensor) -> Tensor:
            rows = self.rows(own)
            return losses_of(self.margin, rows.similarity, self.length * other, rows)

        return by_row(losses, own, other, alone=self.alone)

    def _target(self, own: Tensor) -> Tensor:
        rows = self.rows(own)
        return self.margin.target(rows.similarity, rows)


def noise_of(margin: Margin, similarity: Tensor) -> Tensor | None:
    """Draw `Rows.noise` of rows at similarities (R,) from torch's generator, for a margin that draws."""
    if not margin.draws:
        return None
    noise = torch.randn(similarity.shape, dtype=torch.float32, device=similarity.device)
    return margin.deal(noise, similarity.detach()) if margin.deals else noise


def losses_of(margin: Margin, similarity: Tensor, other: Tensor, rows: Rows) -> Tensor:
    """Losses (R,) from similarities (R,) to the own class and (R, C) to the others, without a bias."""
    target = margin.target(similarity, rows)
    logits = margin.others(other, target, rows)
    losses, penalty = margin.join(target, margin.rest(logits)), margin.penalty(rows)
    return losses if penalty is None else losses + penalty


def seeded(function: Callable[[], T], seed: int = SEED) -> T:
    """Call `function` under a seed of torch's generator, and leave the caller's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return function()


def by_row(function: Callable[..., Tensor], *rows: Tensor, alone: bool) -> Tensor:
    """Call `function` on tensors of R rows under the seed: on all rows at once, or, `alone`, on one row a call."""
    if not alone:
        return seeded(partial(function, *rows))
    each = zip(*(tensor.split(1) for tensor in rows), strict=True)
    return torch.cat([seeded(partial(function, *row)) for row in each])
