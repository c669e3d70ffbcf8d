from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.checks import check_not_negative, check_positive
from ..common.dtypes import working_dtype
from ..common.transforms import numbers_of
from ..common.unit_vectors import direction
from ..engine.checks import check_labels, check_vectors
from ._blocks import inner_products


@dataclass(frozen=True)
class CirclePairs:
    """Circle loss over pairs: each row of the batch against the rows of its own and of the other classes.

        L_i = log(1 + sum_j exp(gamma a_n (s_n - m)) sum_k exp(-gamma a_p (s_p - (1 - m))))
        a_n = max(0, s_n + m),   a_p = max(0, 1 + m - s_p)

    s_p are the cosines of row i to the other rows of its class, s_n those to the rows of other classes. The factors
    a_n and a_p are weights, not differentiated: that is the loss's definition. The paper sums over the pairs of one
    sample, so there is one loss a row, and the batch has their mean; some public code sums over all pairs of a batch
    into one logarithm instead. A row without a partner, or without a row of another class, has loss 0.

    Takes a few arrays of N x N.

    Args:
        margin: m, in cosine, at least 0.
        scale: gamma, above 0.

    Raises:
        ValueError: a field is out of its range.

    When to use: Retrieval without class weights: rows are compared with each other, in batches that hold several rows
    of each class.

    Reference: Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", CVPR 2020,
    arXiv 2002.10857, eqs. 4-6.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])              # s_p = 1, s_n = 0
        >>> loss = CirclePairs(margin=0.25, scale=1.0)(x, torch.tensor([0, 0, 1]))
        >>> torch.allclose(loss, 2 / 3 * torch.tensor(-0.125).exp().log1p())    # row 2 has no partner
        True
    """

    margin: float = 0.25
    scale: float = 80.0

    def __post_init__(self) -> None:
        check_not_negative("CirclePairs: margin", self.margin)
        check_positive("CirclePairs: scale", self.scale)

    def __call__(self, features: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of the batch.

        Args:
            features: (N, D), any floating dtype.
            labels: (N,) integers of at least 0.

        Returns:
            0-dim, float32 or float64; 0 where there are no pairs.

        Raises:
            TypeError, ValueError: dtypes, shapes or labels are wrong.
        """
        check_vectors("features", features)
        check_labels(labels, len(features), int(numbers_of(labels).max()) + 1 if labels.numel() else 1)
        x, _ = direction(features.to(working_dtype(features)))
        same = labels[:, None] == labels
        partner = same & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
        paired = partner.any(dim=1) & ~same.all(dim=1)
        cosine, same, partner = inner_products(x[paired], x), same[paired], partner[paired]
        within = -self.scale * F.relu(1 + self.margin - cosine).detach() * (cosine - (1 - self.margin))
        between = self.scale * F.relu(cosine + self.margin).detach() * (cosine - self.margin)
        within = within.masked_fill(~partner, -torch.inf).logsumexp(dim=1)
        between = between.masked_fill(same, -torch.inf).logsumexp(dim=1)
        return -F.logsigmoid(-(between + within)).sum() / max(len(x), 1)
