"""What a margin is: two elementwise functions and the geometry they are taken in."""

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
    """What a margin may know about its N rows.

    Attributes:
        similarity: (N,) similarity to the own class, before the margin.
        feature_norm: (N,) Euclidean norm of each feature, before any normalisation.
        weight_norm: (N,) Euclidean norm of the own class's weight row, before any normalisation.
        label: (N,) the own class, int64.
        statistics: running numbers by name, 0-dim, where the margin has some.
        surveys: (N,) each, what the margin's `surveys` come to over the other classes; `target` alone is told.
    """

    similarity: Tensor
    feature_norm: Tensor
    weight_norm: Tensor
    label: Tensor
    statistics: Mapping[str, Tensor]
    surveys: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Margin(ABC):
    """A softmax-margin loss, as two elementwise functions of similarities.

    With t the logit of the own class after the margin and o_j those of all the others,

        loss_i = log(1 + exp(logsumexp_{j != y} o_j - t)).

    A subclass is a frozen dataclass: its fields are its hyperparameters, its repr is its configuration. With eq=False
    it takes its equality from here, which fields that are tensors need. It holds no weights and knows nothing of
    devices, ranks or batches.

    Class attributes:
        features: "unit" if similarities are taken with x / |x|, "raw" if with x itself.
        weights: the same for the rows of W.
        combine: how the other classes are combined: "softmax" takes the logsumexp of their logits, "one-vs-all" the
            sum of `class_loss` of each.
        angles: the names of the fields that are angles, in radians.
        cosines: the names of the fields that are subtracted from the cosine.
    """

    features: ClassVar[Geometry] = "unit"
    weights: ClassVar[Geometry] = "unit"
    combine: ClassVar[Combine] = "softmax"
    angles: ClassVar[tuple[str, ...]] = ()
    cosines: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and all fields are equal, tensors by shape, dtype and numbers."""
        if not isinstance(other, Margin) or type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    def __hash__(self) -> int:
        """Agrees with equality; of a tensor its shape alone, so that it survives a step of an optimiser."""
        values = (getattr(self, field.name) for field in fields(self))
        return hash((type(self), *(value.shape if isinstance(value, Tensor) else value for value in values)))

    @property
    @abstractmethod
    def scale(self) -> float | Tensor:
        """What every similarity is multiplied by; a field of nearly every margin."""

    def scale_with(self, statistics: Mapping[str, Tensor]) -> float | Tensor:
        """The scale where it is a running number; otherwise the field."""
        return self.scale

    @abstractmethod
    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        """The logit of the own class after the margin, scale included.

        Args:
            similarity: (N,) similarity to the own class, in the margin's geometry.
            rows: what else is known of the rows.

        Returns:
            (N,) logits.
        """

    def surveys(self) -> tuple["Margin", ...]:
        """What `target` wants to know of the other classes, for nearly every margin nothing.

        Each is a one-vs-all margin, in the same geometry, whose sum over the other classes of a row,

            sum_{j != y} class_loss(others_j),

        is in `rows.surveys` when `target` is called; gradients reach it. One more product with W each.
        """
        return ()

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """The logits of classes that are not a row's own: scale * similarity unless a margin bends them.

        Args:
            similarity: (N, C) similarities to C classes.
            target: (N,) what `target` returned.
            rows: what else is known of the rows.

        Returns:
            (N, C) logits; what stands in a row's own column is ignored.
        """
        return self.scale_with(rows.statistics) * similarity

    @property
    def bends(self) -> bool:
        """Whether `others` is more than scale * similarity in these settings: the engine then has to call it."""
        return type(self).others is not Margin.others

    def class_bias(self, num_classes: int) -> Tensor | None:
        """A (K,) term added to the training logits of all classes, or None."""
        return None

    def initial_bias(self, num_classes: int) -> float:
        """Where a learnt bias starts. A one-vs-all loss has one bias for all classes, others one a class."""
        return 0.0

    def penalty(self, rows: Rows) -> Tensor | None:
        """A (N,) term added to each row's loss, or None."""
        return None

    def class_loss(self, logits: Tensor) -> Tensor:
        """What another class adds to the loss of a row, for "one-vs-all" alone.

        Args:
            logits: (N, C), bias included.

        Returns:
            (N, C), elementwise.
        """
        return -F.logsigmoid(-logits)

    def join(self, target: Tensor, rest: Tensor) -> Tensor:
        """The loss of each row from its own class and all the others together.

        Args:
            target: (N,) what `target` returned, bias included.
            rest: (N,) logsumexp of the other classes' logits, -inf where there is none; for "one-vs-all" the sum of
                their `class_loss`.

        Returns:
            (N,) losses.
        """
        if self.combine == "one-vs-all":
            return rest - F.logsigmoid(target)
        return -F.logsigmoid(target - rest)

    def init_statistics(self, num_classes: int) -> dict[str, float]:
        """Running numbers by name, as they start; empty for nearly every margin."""
        return {}

    def update_statistics(
        self, statistics: Mapping[str, Tensor], rows: Rows, rest: Callable[[], Tensor]
    ) -> dict[str, Tensor]:
        """The running numbers with a batch in them: a pure function, called before the batch's loss is taken.

        Args:
            statistics: by name, 0-dim, as the batch before left them.
            rows: all rows of the batch, those of every process; at least one. Nothing has a gradient.
            rest: called without arguments, the (N,) logsumexp over the other classes, with the statistics as they
                were: one more product with W for whoever asks.

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


def surveyed(margin: Margin, similarity: Tensor, own: Tensor, rows: Rows) -> Rows:
    """The rows with the margin's surveys, where all similarities are at hand.

    Args:
        margin: whose `surveys` are taken.
        similarity: (N, K).
        own: (N, K), True in each row's own column.
        rows: what else is known of the rows.

    Returns:
        rows with `surveys`.
    """
    found = []
    for survey in margin.surveys():
        others = survey.others(similarity, survey.target(rows.similarity, rows), rows)
        found.append(survey.class_loss(others).masked_fill(own, 0).sum(dim=1))
    return rows._replace(surveys=tuple(found))
