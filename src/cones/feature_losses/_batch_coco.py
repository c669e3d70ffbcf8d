import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.checks import check_positive
from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction
from ..engine.checks import check_labels, check_vectors
from ..engine.reduction import reduce
from ._blocks import inner_products


@dataclass(frozen=True)
class BatchCOCO:
    """COCO with the batch's own centroids: softmax over the cosines to the mean feature of each class.

        L_i = -log( exp(alpha cos(f_i, c_y)) / sum_k exp(alpha cos(f_i, c_k)) ),   c_k = mean of the f_i with y_i = k

    The mean is over the features as they are, not over their directions. The gradient goes through f_i and through
    every centroid that f_i is part of. A class that is absent from the batch has centroid 0 and cosine 0, and stays
    in the sum. A zero feature has cosine 0, and the gradient that it has as a part of its centroid. Where the centroids
    are learnt weights instead, the loss is the margin `COCO`.

    Cosines are taken to the classes of the batch alone: an array of N x N at most, whatever K.

    Args:
        scale: alpha, above 0.

    Raises:
        ValueError: scale is not above 0.

    When to use: No class weights wanted: the centroids are those of the batch, which must hold several rows of each
    class in it.

    Reference: Liu, Li, Wang, "Learning Deep Features via Congenerous Cosine Loss for Person Recognition",
    arXiv 1702.06890. That the centroid is the batch's mean is quoted from memory; the gradient printed in the first
    version is wrong by the authors' own word.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])          # cosine 1 to the own centroid, 0 to the other
        >>> BatchCOCO(scale=1.0)(x, torch.tensor([0, 1]), num_classes=2)        # log(1 + 1/e)
        tensor(0.3133)
    """

    scale: float = 6.25

    def __post_init__(self) -> None:
        check_positive("BatchCOCO: scale", self.scale)

    def __call__(self, features: Tensor, labels: Tensor, num_classes: int, reduction: str = "mean") -> Tensor:
        """The loss of the rows.

        Args:
            features: (N, D), any floating dtype.
            labels: (N,) integers in 0..K-1.
            num_classes: K.
            reduction: "none", "mean" or "sum".

        Returns:
            (N,), or reduced to 0-dim; float32 or float64.

        Raises:
            TypeError, ValueError: dtypes, shapes, labels or reduction are wrong.
        """
        check_vectors("features", features)
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}, expected at least 1")
        check_labels(labels, len(features), num_classes)
        features = features.to(working_dtype(features))
        present, place, count = labels.long().unique(return_inverse=True, return_counts=True)
        total = features.new_zeros(len(present), features.shape[1]).index_add(0, place, features)
        x, (centroid, _) = direction(features)[0], direction(total / count[:, None])
        logits = self.scale * inner_products(x, centroid)
        # all absent classes in one column: each adds exp(0)
        absent = num_classes - len(present)
        rest = logits.new_full((len(x), 1), math.log(absent) if absent else -torch.inf)
        return reduce(F.cross_entropy(torch.cat([logits, rest], dim=1), place, reduction="none"), reduction)
