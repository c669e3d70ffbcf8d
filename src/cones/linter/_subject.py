"""The margin being checked, and batches to evaluate it on."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..margins import Margin, Rows
from ..probing.at_angles import MarginProbe, noise_of, seeded


class Subject(NamedTuple):
    """Inputs of every check.

    Attributes:
        margin: the margin.
        num_classes: K.
        dim: D.
        detached: whether the caller says that part of the loss is a constant for the gradient by definition.
        statistics: running numbers, as they start.
        later: running numbers after a batch.
        alone: whether its rows can only be judged one by one.
    """

    margin: Margin
    num_classes: int
    dim: int
    detached: bool
    statistics: Mapping[str, Tensor]
    later: Mapping[str, Tensor]
    alone: bool = False

    def probes(self) -> list[MarginProbe]:
        """Probes with other norms, another class, and later statistics."""
        first = MarginProbe(self.margin, self.statistics, alone=self.alone)
        if self.alone:
            return [first]
        last = MarginProbe(self.margin, self.later, feature_norm=57.3, weight_norm=0.7, label=self.num_classes - 1)
        return [first, MarginProbe(self.margin, self.statistics, feature_norm=1.0), last]


class Batch(NamedTuple):
    """N rows and their similarity to C other classes (N, C)."""

    rows: Rows
    similarity: Tensor

    def copy(self) -> "Batch":
        """A copy in other memory; one tensor is both similarities to the own class, as always."""
        statistics = {name: value.clone() for name, value in self.rows.statistics.items()}
        return self._map(Tensor.clone, statistics)

    def take(self, index: Tensor) -> "Batch":
        """Some of the rows."""
        return self._map(lambda part: part[index], self.rows.statistics)

    def _map(self, change: Callable[[Tensor], Tensor], statistics: Mapping[str, Tensor]) -> "Batch":
        rows = self.rows._replace(
            similarity=change(self.rows.similarity),
            feature_norm=change(self.rows.feature_norm),
            weight_norm=change(self.rows.weight_norm),
            label=change(self.rows.label),
            statistics=statistics,
            others_summaries=tuple(map(change, self.rows.others_summaries)),
            noise=None if self.rows.noise is None else change(self.rows.noise),
        )
        return Batch(rows, change(self.similarity))


def batch(
    subject: Subject, num_rows: int = 12, num_others: int = 7, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Batch:
    """A batch at random angles away from the poles, with random norms; the same one for the same arguments."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)

    feature_norm, weight_norm = uniform(3.0, 60.0, num_rows), uniform(0.5, 2.0, num_rows)
    own, other = uniform(-0.95, 0.95, num_rows), uniform(-0.95, 0.95, num_rows, num_others)
    length = feature_norm if subject.margin.features == "raw" else torch.ones_like(feature_norm)
    if subject.margin.weights == "raw":
        length = length * weight_norm
    label = torch.arange(num_rows) % subject.num_classes
    own, other, feature_norm, weight_norm = (
        part.to(dtype) for part in (own * length, other * length[:, None], feature_norm, weight_norm)
    )
    summaries = tuple(torch.ones_like(own) for _ in subject.margin.others_summaries())
    noise = seeded(lambda: noise_of(subject.margin, own), seed)
    return Batch(Rows(own, feature_norm, weight_norm, label, subject.statistics, summaries, noise), other)


def answers(subject: Subject, asked: Batch, seed: int = 0) -> Iterator[tuple[str, Any]]:
    """Call each function of a margin on a batch: its name, and what should be a tensor, one after the other."""
    margin, (rows, similarity) = subject.margin, asked.copy()
    target = seeded(lambda: margin.target(rows.similarity, rows), seed)
    yield "target", target
    logits = seeded(lambda: margin.others(similarity, target, rows), seed)
    yield "others", logits
    if margin.combine == "one-vs-all":
        yield "class_loss", margin.class_loss(logits)
    yield "join", margin.join(target, margin.rest(logits))
    penalty = margin.penalty(rows)
    if penalty is not None:
        yield "penalty", penalty


def gradients(value: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """The gradients of a number, 0 for leaves that it does not depend on."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
