"""Features beside the class weights, on the unit sphere."""

from torch import Tensor

from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction, widened
from ..engine.checks import check_features_and_weight, check_labels


def unit_and_own(
    features: Tensor, weight: Tensor, labels: Tensor, *parameters: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Check the arguments of a loss, and return directions of the features and of their own class weights.

    Args:
        features: (N, D), any floating dtype.
        weight: (K, D), rows are classes.
        labels: (N,) integers in 0..K-1.
        parameters: of the loss; the working dtype holds them as well.

    Returns:
        x (N, D) and w_y (N, D) of unit length, or zero, in the working dtype; labels (N,) int64.

    Raises:
        TypeError, ValueError: dtypes, shapes or labels are wrong.
    """
    check_features_and_weight(features, weight)
    check_labels(labels, len(features), len(weight))
    dtype, labels = working_dtype(features, weight, *parameters), labels.long()
    return direction(features.to(dtype))[0], direction(widened(weight[labels], dtype))[0], labels
