from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.checks import check_not_negative
from ..common.unit_vectors import direction, widened
from ..engine.reduction import reduce
from ._blocks import blocks, recomputed, to_others
from ._own_class import unit_and_own


@dataclass(frozen=True)
class TripletAgents:
    """C-triplet loss of NormFace: the own class weight must be nearer than every other one, by a margin.

        L_i = sum_{k != y} max(0, m + |x_i - w_y|^2 - |x_i - w_k|^2),   x_i and w_k of unit length

    The gradient is the true one: each k that is too near pulls at w_y once more. The authors' code pulls once,
    whatever the number of such k, and by default even where there is none. A zero vector stays at the origin, at a
    squared distance of 1 from every direction, and has gradient 0.

    Distances are taken over blocks of classes, and again in the backward: beyond the gradients this needs some ten
    arrays of 16 MiB (of 32 in float64), whatever N and K.

    Args:
        margin: m, a difference of squared distances of unit vectors; at least 0.
        hardest: whether only the nearest other class counts, as in the authors' configuration, instead of the sum.
            Classes that are equally near share the gradient.

    Raises:
        ValueError: margin is below 0.

    When to use: As `ContrastiveAgents`, but what counts is only that the own class is nearer than the others by a
    margin, not how near.

    Reference: Wang, Xiang, Cheng, Yuille, "NormFace: L2 Hypersphere Embedding for Face Verification", ACM MM 2017,
    arXiv 1704.06369, eq. 11.

    Example:
        >>> x, w = torch.tensor([[3.0, 4.0]]), torch.eye(2)     # squared distances 0.8 and 0.4
        >>> TripletAgents(margin=0.8)(x, w, torch.tensor([0]))
        tensor(1.2000)
    """

    margin: float = 0.8
    hardest: bool = False

    def __post_init__(self) -> None:
        check_not_negative("TripletAgents: margin", self.margin)

    def __call__(self, features: Tensor, weight: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of the rows.

        Args:
            features: (N, D), any floating dtype.
            weight: (K, D), rows are classes.
            labels: (N,) integers in 0..K-1.
            reduction: "none", "mean" or "sum".

        Returns:
            (N,), or reduced to 0-dim; float32 or float64. 0 where there is no other class.

        Raises:
            TypeError, ValueError: dtypes, shapes, labels or reduction are wrong.
        """
        x, own, labels = unit_and_own(features, weight, labels)
        limit = self.margin + (x - own).square().sum(dim=1)
        if self.hardest:
            nearest = torch.full_like(limit, torch.inf)
            for start, block in blocks(weight, len(x)):
                nearest = torch.minimum(nearest, recomputed(_nearest, x, block, labels - start))
            return reduce(F.relu(limit - nearest), reduction)
        losses = torch.zeros_like(limit)
        for start, block in blocks(weight, len(x)):
            losses = losses + recomputed(_violations, x, limit, block, labels - start)
        return reduce(losses, reduction)


def _violations(x: Tensor, limit: Tensor, block: Tensor, local_labels: Tensor) -> Tensor:
    """sum_k max(0, limit_i - |x_i - w_k|^2) over the other classes of a block: (N,)."""
    unit, _ = direction(widened(block, x.dtype))
    return F.relu(limit[:, None] - to_others(x, unit, local_labels)).sum(dim=1)


def _nearest(x: Tensor, block: Tensor, local_labels: Tensor) -> Tensor:
    """min_k |x_i - w_k|^2 over the other classes of a block: (N,), infinite where there is none."""
    unit, _ = direction(widened(block, x.dtype))
    return to_others(x, unit, local_labels).amin(dim=1)
