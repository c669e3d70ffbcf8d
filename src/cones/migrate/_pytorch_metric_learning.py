import math
import re
import warnings
from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from ..head import Head
from ..margins import ArcFace, ASoftmax, CosFace, LSoftmax, Margin, NormFace
from ._read import WeightsError
from ._weights import find, head_of

Loss = Literal[
    "ArcFaceLoss",
    "CosFaceLoss",
    "SphereFaceLoss",
    "LargeMarginSoftmaxLoss",
    "NormalizedSoftmaxLoss",
    "SubCenterArcFaceLoss",
]
MARGINS = {
    "ArcFaceLoss": 28.6,
    "CosFaceLoss": 0.35,
    "SphereFaceLoss": 4.0,
    "LargeMarginSoftmaxLoss": 4.0,
    "SubCenterArcFaceLoss": 28.6,
}
"""What pytorch-metric-learning takes when no margin is given, in its own units."""
SCALES = {"ArcFaceLoss": 64.0, "CosFaceLoss": 64.0, "SubCenterArcFaceLoss": 64.0}
"""The same of the scale; 1 for a loss that is not listed."""


def from_pytorch_metric_learning(
    state: Mapping[str, Tensor],
    loss: Loss = "ArcFaceLoss",
    *,
    margin: float | None = None,
    scale: float | None = None,
    temperature: float | None = None,
    sub_centers: int | None = None,
    num_classes: int | None = None,
) -> Head:
    """Convert a loss of pytorch-metric-learning to an equal head; settings are in that library's units.

        ArcFaceLoss, SubCenterArcFaceLoss    ArcFace(margin * pi / 180, scale, tail="monotone")
        CosFaceLoss                          CosFace(margin, scale)
        SphereFaceLoss                       ASoftmax(margin, scale)
        LargeMarginSoftmaxLoss               LSoftmax(margin, scale)
        NormalizedSoftmaxLoss                NormFace(1 / temperature)

    Its W is (D, K), or (D, K * S) with the centers of a class side by side; the head's weight is that transposed. Of
    version 3, which has a weight (K * S, D) and angles in radians, nothing is read: its numbers would fit as well, and
    mean another thing. Value and gradient are the same but at cosine +1 and -1, where the other gradient is NaN.

    Args:
        state: `loss.state_dict()` of version 2, or a state with one name that ends in ".W".
        loss: name of the class there.
        margin: ArcFaceLoss and SubCenterArcFaceLoss: in degrees. CosFaceLoss: subtracted from the cosine.
            SphereFaceLoss and LargeMarginSoftmaxLoss: a whole number. None is that library's default.
        scale: None is that library's default.
        temperature: of NormalizedSoftmaxLoss alone; None is its default, 0.05.
        sub_centers: S, of SubCenterArcFaceLoss alone; None is its default, 3.
        num_classes: K, if known: W must then have K * S columns.

    Returns:
        a `Head` of K classes, in W's dtype, at least float32.

    Raises:
        ValueError: a setting is wrong.
        WeightsError: the state holds no W, or one of other classes.

    Source: pytorch-metric-learning 2.9.0, `losses`.

    Example:
        >>> import torch
        >>> head = from_pytorch_metric_learning({"W": torch.randn(4, 10)}, "CosFaceLoss", margin=0.2, scale=16)
        >>> head.margin, head.weight.shape
        (CosFace(margin=0.2, scale=16.0), torch.Size([10, 4]))
    """
    _check_version(state)
    made = _margin(loss, margin, scale, temperature)
    weight = find(state, r"(.*\.)?W", "W").T
    if sub_centers is not None and loss != "SubCenterArcFaceLoss":
        raise ValueError(f"sub_centers is {sub_centers}, but {loss} has one center per class: leave it out")
    centers = 1 if loss != "SubCenterArcFaceLoss" else 3 if sub_centers is None else sub_centers
    if num_classes is not None and len(weight) != num_classes * centers:
        raise WeightsError(
            f"W is {tuple(weight.T.shape)}, but {num_classes} classes of {centers} centers need (D, "
            f"{num_classes * centers}): is it of these classes, and not transposed?"
        )
    return head_of(weight, made, centers)


def _check_version(state: Mapping[str, Tensor]) -> None:
    """Refuse a state with a weight and no W: version 3 or a bare tensor, whose orientation is unknown."""
    if any(re.fullmatch(r"(.*\.)?W", name) for name in state):
        return
    for name, tensor in state.items():
        if re.fullmatch(r"(.*\.)?weight", name):
            raise WeightsError(
                f"{name} is {tuple(tensor.shape)}, and no W is there: losses of version 2 have W (D, K) and angles in "
                "degrees, those of version 3 weight (K, D) and radians, which are not read: make that head with "
                "cones.Head and its margin in radians, and copy (K, D) into head.weight as it is"
            )


def _margin(loss: str, margin: float | None, scale: float | None, temperature: float | None) -> Margin:
    if loss == "NormalizedSoftmaxLoss":
        if margin is not None or scale is not None:
            raise ValueError("NormalizedSoftmaxLoss has a temperature, and neither margin nor scale: leave them out")
        return NormFace(1 / (0.05 if temperature is None else temperature))
    if loss not in MARGINS:
        raise ValueError(f"loss is {loss!r}, expected one of {', '.join([*MARGINS, 'NormalizedSoftmaxLoss'])}")
    if temperature is not None:
        raise ValueError(f"temperature is {temperature}, but {loss} has a scale instead: leave it out")
    margin = MARGINS[loss] if margin is None else margin
    scale = float(SCALES.get(loss, 1.0) if scale is None else scale)
    if loss == "CosFaceLoss":
        return CosFace(margin, scale)
    if loss in ("ArcFaceLoss", "SubCenterArcFaceLoss"):
        if not 0 <= margin <= 180:
            raise ValueError(f"margin is {margin} degrees, as {loss} counts it, expected 0 to 180")
        if 0 < margin <= math.pi / 2:
            warnings.warn(
                f"margin is {margin} degrees ({math.radians(margin):.4f} radians), as {loss} counts it: if radians "
                f"were meant, that training had next to no margin",
                stacklevel=3,
            )
        return ArcFace(math.radians(margin), scale, tail="monotone")
    if margin != int(margin):
        raise ValueError(f"margin is {margin}, but {loss} truncates it to {int(margin)}: pass margin={int(margin)}")
    return ASoftmax(int(margin), scale) if loss == "SphereFaceLoss" else LSoftmax(int(margin), scale)
