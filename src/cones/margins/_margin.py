"""What a margin is: two elementwise functions and the geometry they are taken in."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor

Geometry = Literal["unit", "raw"]


class Rows(NamedTuple):
    """What a margin may know about its N rows.

    Attributes:
        similarity: (N,) similarity to the own class, before the margin.
        feature_norm: (N,) Euclidean norm of each feature, before any normalisation.
        weight_norm: (N,) Euclidean norm of the own class's weight row, before any normalisation.
        label: (N,) the own class, int64.
        statistics: running numbers by name, 0-dim, where the margin has some.
    """

    similarity: Tensor
    feature_norm: Tensor
    weight_norm: Tensor
    label: Tensor
    statistics: Mapping[str, Tensor]


@dataclass(frozen=True)
class Margin(ABC):
    """A softmax-margin loss, as two elementwise functions of similarities.

    With t the logit of the own class after the margin and o_j those of all the others,

        loss_i = log(1 + exp(logsumexp_{j != y} o_j - t)).

    A subclass is a frozen dataclass: its fields are its hyperparameters, its repr is its configuration. It holds
    no weights and knows nothing of devices, ranks or batches.

    Class attributes:
        features: "unit" if similarities are taken with x / |x|, "raw" if with x itself.
        weights: the same for the rows of W.
        combine: how the classes are combined; "softmax" is a logsumexp.
        angles: the names of the fields that are angles, in radians.
        cosines: the names of the fields that are subtracted from the cosine.
    """

    features: ClassVar[Geometry] = "unit"
    weights: ClassVar[Geometry] = "unit"
    combine: ClassVar[Literal["softmax"]] = "softmax"
    angles: ClassVar[tuple[str, ...]] = ()
    cosines: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def scale(self) -> float | Tensor:
        """What every similarity is multiplied by; a field of nearly every margin."""

    @abstractmethod
    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        """The logit of the own class after the margin, scale included.

        Args:
            similarity: (N,) similarity to the own class, in the margin's geometry.
            rows: what else is known of the rows.

        Returns:
            (N,) logits.
        """

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        """The logits of classes that are not a row's own: scale * similarity unless a margin bends them.

        Args:
            similarity: (N, C) similarities to C classes.
            target: (N,) what `target` returned.
            rows: what else is known of the rows.

        Returns:
            (N, C) logits; what stands in a row's own column is ignored.
        """
        return self.scale * similarity

    def class_bias(self, num_classes: int) -> Tensor | None:
        """A (K,) term added to the training logits of all classes, or None."""
        return None

    def penalty(self, rows: Rows) -> Tensor | None:
        """A (N,) term added to each row's loss, or None."""
        return None
