"""The interface of a margin: two elementwise functions, and the geometry of their similarities."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Geometry = Literal["unit", "raw"]
"""Vectors of unit length, or as they are."""
Combine = Literal["softmax", "one-vs-all"]
"""One softmax over all classes, or a loss of its own for each."""


class Rows(NamedTuple):
    """Inputs of a margin beside similarities, for N rows.

    Attributes:
        similarity: (N,) to the own class, before the margin.
        feature_norm: (N,) Euclidean norm of each feature, before any normalisation.
        weight_norm: (N,) Euclidean norm of the own class's weight row, before any normalisation.
        label: (N,) the own class, int64.
        statistics: running numbers by name, 0-dim; empty for nearly every margin.
        others_summaries: (N,) each, the sums over the other classes that the margin's `others_summaries` asks for; only
            where `target` is called.
        noise: (N,) float32, a standard normal number per row, only for a margin that `draws`; else None.
    """

    similarity: Tensor
    feature_norm: Tensor
    weight_norm: Tensor
    label: Tensor
    statistics: Mapping[str, Tensor]
    others_summaries: tuple[Tensor, ...] = ()
    noise: Tensor | None = None


@dataclass(frozen=True)
class Margin(ABC):
    """A softmax-margin loss as two elementwise functions of similarities.

    With t the logit of the own class after the margin and o_j those of all the others,

        loss_i = log(1 + exp(logsumexp_{j != y} o_j - t)).

    A subclass is a frozen dataclass: its fields are its hyperparameters, its repr is its configuration. With eq=False
    it inherits equality from here, which tensor fields need. It holds no weights, and does not depend on devices, ranks
    or batches.

    Class attributes:
        features: "unit" if similarities are taken with x / |x|, "raw" if with x itself.
        weights: the same for the rows of W.
        combine: how the other classes are combined: "softmax" takes the logsumexp of their logits, "one-vs-all" the
            sum of `class_loss` of each.
        draws: whether each row needs a random number, `rows.noise`: a function of a seed, drawn once a step from
            PyTorch's generator, and of the row's number in the batch, the same on any number of processes.
        angles: the names of the fields that are angles, in radians.
        cosines: the names of the fields that are subtracted from the cosine.
    """

    features: ClassVar[Geometry] = "unit"
    weights: ClassVar[Geometry] = "unit"
    combine: ClassVar[Combine] = "softmax"
    draws: ClassVar[bool] = False
    angles: ClassVar[tuple[str, ...]] = ()
    cosines: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        """True if both are of one class and all fields are equal, tensors by shape, dtype and values."""
        if not isinstance(other, Margin) or type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    def __hash__(self) -> int:
        """Hash consistent with equality; of a tensor only its shape, so that it survives a step of an optimiser."""
        values = (getattr(self, field.name) for field in fields(self))
        return hash((type(self), *(value.shape if isinstance(value, Tensor) else value for value in values)))

    @property
    @abstractmethod
    def scale(self) -> float | Tensor:
        """Factor of every similarity; a field of nearly every margin."""

    def scale_with(self, statistics: Mapping[str, Tensor]) -> float | Tensor:
        """The scale where it is a running number; otherwise the field."""
        return self.scale

    @abstractmethod
    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        """The logit of the own class after the margin, scale included.

        Args:
            similarity: (N,) similarity to the own class, in the margin's geometry.
            rows: other inputs.

        Returns:
            (N,) logits.
        """

    def others_summaries(self) -> tuple["Margin", ...]:
        """Reductions over the other classes that `target` needs; usually none.

        Each is a one-vs-all margin, in the same geometry, whose sum over the other classes of a row,

            sum_{j != y} class_loss(others_j),

        is in `rows.others_summaries` when `target` is called; gradients reach it. One more product with W each.
        """
        return ()

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """The logits of the other classes: scale * similarity unless a margin modifies them.

        Args:
            similarity: (N, C) similarities to C classes.
            target: (N,) result of `target`.
            rows: other inputs.

        Returns:
            (N, C) logits; a row's own column is ignored.
        """
        return self.scale_with(rows.statistics) * similarity

    @property
    def bends(self) -> bool:
        """True if `others` is more than scale * similarity in these settings, so that the engine has to call it."""
        return type(self).others is not Margin.others

    def deal(self, noise: Tensor, similarity: Tensor) -> Tensor:
        """Deal the random numbers of a batch out to its rows; for a margin that `draws` and wants another order.

        Args:
            noise: (M,) as drawn, for all rows of the batch, of every process.
            similarity: (M,) to the own class, without gradient.

        Returns:
            (M,) the `noise` of each row.
        """
        return noise

    @property
    def deals(self) -> bool:
        """True if `deal` does more than return its argument in these settings, so that the engine has to call it."""
        return type(self).deal is not Margin.deal

    def class_bias(self, num_classes: int) -> Tensor | None:
        """A (K,) term added to the training logits of all classes, or None."""
        return None

    def initial_bias(self, num_classes: int) -> float:
        """Initial value of a learnt bias. A one-vs-all loss has one bias for all classes, others one per class."""
        return 0.0

    def penalty(self, rows: Rows) -> Tensor | None:
        """A (N,) term added to each row's loss, or None."""
        return None

    def class_loss(self, logits: Tensor) -> Tensor:
        """Loss of a row from each other class, for "one-vs-all" only.

        Args:
            logits: (N, C), bias included.

        Returns:
            (N, C), elementwise.
        """
        return -F.logsigmoid(-logits)

    def join(self, target: Tensor, rest: Tensor) -> Tensor:
        """The loss of each row from its own class and all the others together.

        Args:
            target: (N,) result of `target`, bias included.
            rest: (N,) result of `rest`.

        Returns:
            (N,) losses.
        """
        if self.combine == "one-vs-all":
            return rest - F.logsigmoid(target)
        return -F.logsigmoid(target - rest)

    def rest(self, logits: Tensor, own: Tensor | None = None) -> Tensor:
        """Combine the other classes of each row, from their logits.

        Args:
            logits: (N, C) result of `others`, bias included.
            own: (N, C) bool, True in each row's own column, which is left out; None if there is none.

        Returns:
            (N,) logsumexp of the logits, -inf where there is no other class; for "one-vs-all" the sum of `class_loss`.
        """
        terms = logits if self.combine == "softmax" else self.class_loss(logits)
        if own is not None:
            terms = terms.masked_fill(own, -torch.inf if self.combine == "softmax" else 0)
        return terms.logsumexp(dim=1) if self.combine == "softmax" else terms.sum(dim=1)

    def check(self, num_classes: int) -> None:
        """Raise ValueError where a field does not fit the number of classes; most margins fit any.

        Args:
            num_classes: K.
        """
        return

    def init_statistics(self, num_classes: int) -> dict[str, float]:
        """Initial running numbers by name; empty for nearly every margin."""
        return {}

    def update_statistics(
        self, statistics: Mapping[str, Tensor], rows: Rows, rest: Callable[[], Tensor]
    ) -> dict[str, Tensor]:
        """Update the running numbers by a batch: a pure function, called before the loss of the batch is computed.

        Args:
            statistics: by name, 0-dim, before this batch.
            rows: all rows of the batch, of every process; at least one. Nothing has a gradient.
            rest: returns the (N,) logsumexp over the other classes, under the statistics before this batch; calling it
                may cost one more product with W.

        Returns:
            the new numbers by name, 0-dim.
        """
        return dict(statistics)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = one.shape == other.shape and one.dtype == other.dtype
        return alike and torch.equal(one.detach().cpu(), other.detach().cpu())
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return False  # a tensor may be learnt, a number is not
    return bool(one == other)


def with_others_summaries(margin: Margin, similarity: Tensor, own: Tensor, rows: Rows) -> Rows:
    """Add the margin's summaries of the other classes to the rows, where all similarities are at hand.

    Args:
        margin: whose `others_summaries` are taken.
        similarity: (N, K).
        own: (N, K) bool, True in each row's own column.
        rows: other inputs.

    Returns:
        rows with `others_summaries`.
    """
    summaries = []
    for summary in margin.others_summaries():
        others = summary.others(similarity, summary.target(rows.similarity, rows), rows)
        summaries.append(summary.rest(others, own))
    return rows._replace(others_summaries=tuple(summaries))
