from collections.abc import Mapping

from torch import Tensor

from ..head import Head
from ..margins import ArcFace
from ._weights import find, head_of


def from_oml(state: Mapping[str, Tensor], *, m: float = 0.5, s: float = 64.0) -> Head:
    """Convert ArcFaceLoss of open-metric-learning to an equal head.

        ArcFace(m, s, tail="monotone")

    Value and gradient are the same but at cosine +1 and -1, where the other gradient, and by rounding the other loss,
    is NaN. Label smoothing is not carried over. The MLP of ArcFaceLossWithMLP stays yours: put it behind the backbone.

    Args:
        state: `criterion.state_dict()`, that of a module with such a criterion, or of ArcFaceLossWithMLP; the name is
            "weight", or ends in "criterion.weight" or "arcface.weight". (K, D).
        m: margin in radians.
        s: scale.

    Returns:
        a `Head` of K classes, in the weight's dtype, at least float32.

    Raises:
        ValueError: a setting is wrong.
        WeightsError: the state holds no weight.

    Source: open-metric-learning 4.0.0, `oml/losses/arcface.py`.

    Example:
        >>> import torch
        >>> from_oml({"criterion.weight": torch.randn(10, 4)}, m=0.3).margin
        ArcFace(margin=0.3, scale=64.0, tail='monotone', straight_through=False)
    """
    weight = find(state, r"((.*\.)?(criterion|arcface)\.)?weight", "weight")
    return head_of(weight, ArcFace(m, float(s), tail="monotone"))
