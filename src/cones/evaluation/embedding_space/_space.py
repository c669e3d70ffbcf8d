"""All figures of a feature space in one call: geometry, uniformity, dimensions, collapse, and what norms indicate."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...common.unit_vectors import direction
from .._arrays import Array, as_features
from .._table import Row, row_of, table_of_rows
from ..blocks import beside, blocks, classes, labelled
from ..quantities import GEOMETRY
from ._collapse import NeuralCollapse, neural_collapse
from ._correlation import rank_correlation
from ._dimension import effective_rank, participation_ratio
from ._directions import ClassDirections, class_directions
from ._geometry import Geometry, geometry
from ._uniformity import alignment, uniformity

SHOWN = (
    "mean_intra_angle", "mean_own_angle", "mean_other_angle", "fisher_ratio", "angular_fisher_score", "mean_norm",
    "norm_variation",
)  # fmt: skip
"""Fields of `Geometry` in the table; the angles between classes are in those of the classes' directions."""


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Result of `feature_space`. Printed, it is a table.

    Attributes:
        geometry: angles, Fisher ratios and norms; None for one class.
        alignment: mean squared distance of the directions of two features of one class; None without such a pair.
        uniformity: logarithm of the mean Gaussian potential of all pairs; None for one row.
        effective_rank: of the features' covariance; None where all rows are the same.
        participation_ratio: of the same.
        collapse: NC1 to NC4.
        means: geometry of the mean directions of the classes that occur, in the order of their labels; None for one
            class.
        head: the same of the rows of weight; None without weight or for one class.
        norm_quality: rank correlation of the norms with quality; None without it or where one of them is constant.
        norm_correct: rank correlation of the norms with whether predicted is right; None as above.
    """

    geometry: Geometry | None
    alignment: float | None
    uniformity: float | None
    effective_rank: float | None
    participation_ratio: float | None
    collapse: NeuralCollapse
    means: ClassDirections | None
    head: ClassDirections | None
    norm_quality: float | None
    norm_correct: float | None

    def rows(self) -> list[Row]:
        """Names, values and meanings, without those of the classes' directions and the collapse."""
        geometry = self.geometry
        shown = [] if geometry is None else [GEOMETRY[key].figure(getattr(geometry, key)) for key in SHOWN]
        return [
            *map(row_of, shown),
            ("alignment", self.alignment, "0: one direction a class"),
            ("uniformity", self.uniformity, "smaller: more even"),
            ("effective rank", self.effective_rank, "of the covariance"),
            ("participation ratio", self.participation_ratio, "of the covariance"),
            ("norms with quality", self.norm_quality, "rank correlation"),
            ("norms with correctness", self.norm_correct, "rank correlation"),
        ]

    def __str__(self) -> str:
        parts = [table_of_rows("features", self.rows()), str(self.collapse)]
        if self.means is not None:
            parts.append(table_of_rows(f"means of {len(self.means.nearest_angle)} classes", self.means.rows()))
        if self.head is not None:
            parts.append(table_of_rows(f"weights of {len(self.head.nearest_angle)} classes", self.head.rows()))
        return "\n\n".join(parts)


def feature_space(
    features: Array,
    labels: Array,
    weight: Array | None = None,
    predicted: Array | None = None,
    quality: Array | None = None,
) -> FeatureSpace:
    """All figures of a labelled set of features, in float64 and in blocks.

    Args:
        features: (N, D), any floating dtype.
        labels: (N,) integers or text; rows of unknown subjects, -1, are left out.
        weight: (K, D), the head's rows; labels must be 0..K-1.
        predicted: (N,) the head's class of each row, such as `head.logits(features).argmax(1)`.
        quality: (N,) any number that is larger for better samples.

    Returns:
        `FeatureSpace`; a measure that is not defined is None.

    Raises:
        ValueError: no rows, shapes that do not fit, numbers that are not finite, labels outside of weight.

    Reference: those of `geometry`, `neural_collapse`, `alignment`, `uniformity`, `effective_rank`,
    `participation_ratio`, `class_directions` and `rank_correlation`.

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
        >>> space = feature_space(x, torch.tensor([0, 0, 1, 1]))
        >>> space.alignment, space.means.nearest_angle.rad2deg()
        (0.0, tensor([90., 90.], dtype=torch.float64))
    """
    features, labels, known = labelled(features, labels)
    weight = None if weight is None else as_features("weight", weight)
    predicted, quality = beside("predicted", predicted, known), beside("quality", quality, known)
    if quality is not None and quality.shape != labels.shape:
        raise ValueError(
            f"quality has shape {tuple(quality.shape)}, expected {tuple(labels.shape)}: one number per row"
        )
    collapse = neural_collapse(features, labels, weight, predicted)
    several = bool((labels != labels[0]).any())
    norms = torch.cat([direction(x)[1] for x, _ in blocks(features, labels)])
    return FeatureSpace(
        geometry=geometry(features, labels, weight) if several else None,
        alignment=alignment(features, labels),
        uniformity=uniformity(features),
        effective_rank=effective_rank(features),
        participation_ratio=participation_ratio(features),
        collapse=collapse,
        means=class_directions(mean_directions(features, labels)) if several else None,
        head=class_directions(weight) if weight is not None and len(weight) > 1 else None,
        norm_quality=None if quality is None else rank_correlation(norms, quality),
        norm_correct=None if predicted is None else rank_correlation(norms, predicted == labels),
    )


def mean_directions(features: Array, labels: Array) -> Tensor:
    """Means (C, D) of the unit features of each class that occurs, in the order of the labels; float64.

    Args:
        features: (N, D), any floating dtype.
        labels: (N,) integers or text; rows of unknown subjects, -1, are left out.

    Returns:
        (C, D) float64, one row for each class that occurs; no unit vectors, and 0 where a class's features cancel.

    Raises:
        ValueError: no rows, wrong shapes, or numbers that are not finite.

    Example:
        >>> mean_directions(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([7, 7]))
        tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    features, labels, _ = labelled(features, labels)
    index, counts = classes(labels)
    sums = torch.zeros(len(counts), features.shape[1], dtype=torch.float64, device=features.device)
    for x, i in blocks(features, index):
        sums.index_add_(0, i, direction(x)[0])
    means = sums / counts[:, None]
    means[means.norm(dim=1) <= 1e-14] = 0  # zero up to rounding: no direction
    return means
