"""What the feature losses ask of their tensors, and the precision they work in."""

import torch
from torch import Tensor

from ..arguments import check_labels


def check_vectors(name: str, vectors: Tensor) -> None:
    """Raise TypeError or ValueError unless `vectors` is floating and two-dimensional, one vector a row."""
    if not vectors.is_floating_point():
        raise TypeError(f"{name} has dtype {vectors.dtype}, expected a floating dtype: call {name}.float()")
    if vectors.dim() != 2:
        raise ValueError(f"{name} has shape {tuple(vectors.shape)}, expected 2 dimensions, one vector a row")


def check_weight(weight: Tensor) -> None:
    """Raise TypeError or ValueError unless `weight` is (K, D) with at least one class."""
    check_vectors("weight", weight)
    if len(weight) == 0:
        raise ValueError(f"weight has shape {tuple(weight.shape)}, expected at least one class")


def check_agents(features: Tensor, weight: Tensor, labels: Tensor) -> None:
    """Raise TypeError or ValueError unless features are (N, D), weight (K, D) and labels (N,) in 0..K-1."""
    check_vectors("features", features)
    check_weight(weight)
    if features.shape[1] != weight.shape[1]:
        raise ValueError(
            f"features has {features.shape[1]} dims and weight {weight.shape[1]}: both must have the same D "
            f"(features {tuple(features.shape)}, weight {tuple(weight.shape)})"
        )
    check_labels(labels, len(features), len(weight))


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """The widest dtype among the tensors, float32 at least: half precision is too narrow for squares and sums."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype
