"""Features and similarities in the geometry that a margin declares, and the path of the engine that it needs.

N rows, D dims, S centers per class.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction
from ..margins import Margin


def bends(margin: Margin, subcenters: int = 1) -> bool:
    """Test whether the other classes need more than summed exponentials of their scaled similarities."""
    summarises = type(margin).others_summaries is not Margin.others_summaries
    return subcenters > 1 or margin.combine != "softmax" or margin.bends or summarises


def scale_is_running(margin: Margin) -> bool:
    """Test whether the scale is one of a margin's running numbers."""
    return type(margin).scale_with is not Margin.scale_with


def cross_entropy_of(margin: Margin) -> bool:
    """Test whether a margin's losses are a cross entropy over the classes."""
    return margin.combine == "softmax" and type(margin).join is Margin.join


def in_geometry(features: Tensor, weight: Tensor, margin: Margin) -> tuple[Tensor, Tensor]:
    """Return features (N, D) in the margin's geometry and the working precision, and their norms (N,)."""
    features = features.to(working_dtype(features, weight))
    x, feature_norm = direction(features)
    return x if margin.features == "unit" else features, feature_norm


def nearest_center(x: Tensor, centers: Tensor, margin: Margin) -> tuple[Tensor, Tensor]:
    """Similarity (N,) to the nearest center of a class (N, S, D), and the norm (N,) of that center."""
    n, s, d = centers.shape
    flat = centers.reshape(n * s, d)
    unit, norm = direction(flat)
    chosen = (unit if margin.weights == "unit" else flat).view(n, s, d)
    if s == 1:
        return (x * chosen.squeeze(1)).sum(dim=1), norm
    nearest = (x[:, None] * chosen).sum(dim=2).max(dim=1)
    return nearest.values, norm.view(n, s).gather(1, nearest.indices[:, None]).squeeze(1)


def bound_of(margin: Margin, statistics: Mapping[str, Tensor], bias: Tensor | None) -> float:
    """Bound the size of the other classes' logits; math.inf where no bound is known."""
    scale = margin.scale_with(statistics)
    known = margin.features == margin.weights == "unit" and isinstance(scale, float | int) and bias is None
    # a cosine may pass 1 by rounding
    return 1.001 * abs(float(scale)) if known else math.inf


def similarities(x: Tensor, weight: Tensor, margin: Margin, subcenters: int) -> Tensor:
    """(N, K) products of features x (N, D) with the nearest center of each class."""
    weight = weight.to(x.dtype)
    products = x @ (direction(weight)[0] if margin.weights == "unit" else weight).T
    return products.unflatten(1, (-1, subcenters)).max(dim=2).values if subcenters > 1 else products


def start_of_statistics(margin: Margin, num_classes: int, device: torch.device) -> dict[str, Tensor]:
    """The margin's running numbers by name, 0-dim float32, as they start.

    Raises:
        ValueError: the margin is for another number of classes.
    """
    margin.check(num_classes)
    return {
        name: torch.tensor(value, device=device, dtype=torch.float32)
        for name, value in margin.init_statistics(num_classes).items()
    }


def own_columns(labels: Tensor, num_classes: int) -> Tensor:
    """True in each row's own column, (N, K) from labels (N,)."""
    # F.one_hot reads the labels' values, which vmap refuses
    return labels[:, None] == torch.arange(num_classes, device=labels.device)
