"""Labelled features as the figures take them."""

# N rows, D dims, K classes.

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LabelledFeatures:
    """A named set of labelled features, such as the test set.

    Attributes:
        name: title of its panel.
        features: (N, D) floating.
        labels: (N,) integers 0..K-1.

    Raises:
        ValueError: for shapes that do not fit, no rows, or numbers that are not finite.

    Example:
        >>> LabelledFeatures("test", torch.zeros(3, 2), torch.tensor([0, 1, 1])).name
        'test'
    """

    name: str
    features: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) == 0:
            raise ValueError(
                f"features of {self.name!r} has shape {tuple(self.features.shape)}, expected (N, D) with N ≥ 1"
            )
        if self.labels.shape != self.features.shape[:1]:
            raise ValueError(
                f"labels of {self.name!r} has shape {tuple(self.labels.shape)}, "
                f"expected ({len(self.features)},): one label per row of features"
            )
        wrong = (~torch.isfinite(self.features).all(1)).nonzero()
        if len(wrong):
            raise ValueError(
                f"features[{int(wrong[0])}] of {self.name!r} is not finite ({len(wrong)} such rows): "
                "the training diverged; nothing to draw"
            )


def check_weight(points: LabelledFeatures, weight: Tensor, num_classes: int) -> None:
    """Raise unless `weight` is (K, D) and every label has a row in it."""
    expected = (num_classes, points.features.shape[1])
    if tuple(weight.shape) != expected:
        raise ValueError(f"weight has shape {tuple(weight.shape)}, expected (K, D) = {expected}: one row per class")
    low, high = int(points.labels.min()), int(points.labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"labels of {points.name!r} run from {low} to {high}, but there are {num_classes} classes "
            f"(0..{num_classes - 1})"
        )


def principal_plane(features: Tensor) -> tuple[Tensor, float]:
    """The plane through the origin that keeps most of the features: basis (D, 2), share of Σ‖x‖² it keeps.

    The features are not centred first: the origin, from which the class directions start, has to stay put.
    """
    x = features.detach().to(torch.float64)
    values, vectors = torch.linalg.eigh(x.T @ x)
    basis = vectors[:, [-1, -2]]
    # eigh leaves the sign open; fix it, so that the same features give the same picture
    largest = basis.abs().argmax(0)
    basis = basis * torch.sign(basis[largest, [0, 1]])
    total = values.sum().item()
    return basis, values[-2:].sum().item() / total if total > 0 else 0.0
