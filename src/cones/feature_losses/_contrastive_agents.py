from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..common.checks import check_not_negative
from ..common.unit_vectors import direction, widened
from ..engine.reduction import reduce
from ._blocks import blocks, recomputed, to_others
from ._own_class import unit_and_own


@dataclass(frozen=True)
class ContrastiveAgents:
    """C-contrastive loss of NormFace: the class weights are agents that pull their own samples and push all others.

        L_i = |x_i - w_y|^2 + sum_{j != y} max(0, m - |x_i - w_j|^2),   x_i and w_j of unit length

    The gradient is the true one. The authors' code agrees with it but for pairs at a squared distance of exactly 4,
    which it does not pull. A zero vector stays at the origin, at a squared distance of 1 from every direction, and
    has gradient 0.

    Distances are taken over blocks of classes, and again in the backward: beyond the gradients this needs some ten
    arrays of 16 MiB (of 32 in float64), whatever N and K.

    Args:
        margin: m, a squared distance of unit vectors, in 0..4; at least 0.

    Raises:
        ValueError: margin is below 0.

    When to use: Beside `NormFace` with a small weight, 0.01 in the paper: the pull and push of contrastive loss without
    mining pairs, for the class weights stand for the classes.

    Reference: Wang, Xiang, Cheng, Yuille, "NormFace: L2 Hypersphere Embedding for Face Verification", ACM MM 2017,
    arXiv 1704.06369, eq. 10.

    Example:
        >>> import torch
        >>> x, w = torch.tensor([[3.0, 4.0]]), torch.eye(2)     # squared distances 0.8 and 0.4
        >>> ContrastiveAgents(margin=1.0)(x, w, torch.tensor([0]))
        tensor(1.4000)
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("ContrastiveAgents: margin", self.margin)

    def __call__(self, features: Tensor, weight: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of the rows.

        Args:
            features: (N, D), any floating dtype.
            weight: (K, D), rows are classes.
            labels: (N,) integers in 0..K-1.
            reduction: "none", "mean" or "sum".

        Returns:
            (N,), or reduced to 0-dim; float32 or float64.

        Raises:
            TypeError, ValueError: dtypes, shapes, labels or reduction are wrong.
        """
        x, own, labels = unit_and_own(features, weight, labels)
        losses = (x - own).square().sum(dim=1)
        for start, block in blocks(weight, len(x)):
            losses = losses + recomputed(self._push, x, block, labels - start)
        return reduce(losses, reduction)

    def _push(self, x: Tensor, block: Tensor, local_labels: Tensor) -> Tensor:
        """sum_j max(0, m - |x_i - w_j|^2) over the other classes of a block: (N,)."""
        unit, _ = direction(widened(block, x.dtype))
        return F.relu(self.margin - to_others(x, unit, local_labels)).sum(dim=1)
