"""Formulas of other libraries' losses, written out in plain PyTorch; nothing of cones is used.

Each function takes what the `from_...` function of the same library takes, and returns logits and losses as that
library defines them, over the whole (N, K) matrix and in the precision of the features. `compare` holds a head
against them.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Bend = Callable[[Tensor], Tensor]
"""The cosine to the own class (N,) -> its replacement."""


@dataclass(frozen=True)
class Reference:
    """A class layer of another library, as two functions.

    Attributes:
        name: of library, loss and settings, with their units.
        logits: features (N, D) -> (N, K), without label or margin.
        losses: features (N, D), labels (N,) -> (N,), with the margin.
        agrees_to: the largest angle to the own class, in radians, up to which a head can be the same.
    """

    name: str
    logits: Callable[[Tensor], Tensor]
    losses: Callable[[Tensor, Tensor], Tensor]
    agrees_to: float = math.pi


def pytorch_metric_learning(
    state: Mapping[str, Tensor],
    loss: str = "ArcFaceLoss",
    *,
    margin: float | None = None,
    scale: float | None = None,
    temperature: float | None = None,
    sub_centers: int | None = None,
    num_classes: int | None = None,
) -> Reference:
    """A loss of pytorch-metric-learning 2.9.0; arguments as `from_pytorch_metric_learning`, W is (D, K).

    theta <= pi - m: cos(theta + m), beyond: cos(theta) - m sin(m), m in degrees; cos(theta) - m; or psi(theta) times
    |x| and, for LargeMarginSoftmaxLoss, |w|.
    """
    weight = _named(state, r"(.*\.)?W").T
    name = f"pytorch-metric-learning {loss}"
    if loss == "NormalizedSoftmaxLoss":
        t = temperature or 0.05
        return _layer(f"{name}(temperature={t:g})", weight, lambda cosine: cosine, 1 / t)
    angular = loss in ("ArcFaceLoss", "SubCenterArcFaceLoss")
    number = margin if margin is not None else 28.6 if angular else 0.35 if loss == "CosFaceLoss" else 4.0
    factor = scale if scale is not None else 64.0 if angular or loss == "CosFaceLoss" else 1.0
    name = f"{name}(margin={number:g}{' degrees' * angular}, scale={factor:g})"
    if angular:
        m = number * math.pi / 180
        bend = _falling(m, lambda cosine: cosine - m * math.sin(m))
        return _layer(name, weight, bend, factor, centers=(sub_centers or 3) if loss == "SubCenterArcFaceLoss" else 1)
    if loss == "CosFaceLoss":
        return _layer(name, weight, lambda cosine: cosine - number, factor)
    return _layer(name, weight, _psi(int(number)), factor, feature_norm=True, weight_norm=loss != "SphereFaceLoss")


def insightface(
    shards: Sequence[Mapping[str, Tensor]],
    *,
    m1: float = 1.0,
    m2: float = 0.5,
    m3: float = 0.0,
    scale: float = 64.0,
    num_classes: int | None = None,
) -> Reference:
    """PartialFC_V2 with CombinedMarginLoss of arcface_torch; arguments as `from_insightface`.

    m3 > 0: cos(theta) - m3; else cos(theta + m2), with the derivative of cos(theta).
    """
    weight = torch.cat([_named(shard, r"(state_dict_softmax_fc\.)?weight") for shard in shards])
    name = f"insightface CombinedMarginLoss(s={scale:g}, m1={m1:g}, m2={m2:g} radians, m3={m3:g})"

    def bend(cosine: Tensor) -> Tensor:
        if m3 > 0:
            return cosine - m3
        return cosine + ((cosine.detach().acos() + m2).cos() - cosine.detach())

    return _layer(name, weight[:num_classes], bend, scale)


def oml(state: Mapping[str, Tensor], *, m: float = 0.5, s: float = 64.0) -> Reference:
    """ArcFaceLoss of open-metric-learning 4.0.0; arguments as `from_oml`.

    cos(theta) > -cos(m): cos(theta) cos(m) - sin(theta) sin(m), else cos(theta) - m sin(m).
    """
    weight = _named(state, r"((.*\.)?(criterion|arcface)\.)?weight")
    bend = _falling(m, lambda cosine: cosine - m * math.sin(m))
    return _layer(f"open-metric-learning ArcFaceLoss(m={m:g} radians, s={s:g})", weight, bend, s)


def wespeaker(
    state: Mapping[str, Tensor],
    project_type: str = "arc_margin",
    *,
    margin: float = 0.2,
    scale: float = 32.0,
    easy_margin: bool = False,
    sub_centers: int | None = None,
    num_classes: int | None = None,
) -> Reference:
    """A projection of wespeaker; arguments as `from_wespeaker`, no penalty on the hardest classes.

    cos(theta) > -cos(m): cos(theta + m), else cos(theta) - 1 + cos(m); with easy_margin cos(theta) from 0 down.
    """
    centers = (sub_centers or 3) if project_type == "arc_margin_intertopk_subcenter" else 1
    weight = _named(state, r"(.*\.)?projection\.weight")
    weight = weight if num_classes is None else weight[: num_classes * centers]
    if project_type == "add_margin":
        name = f"wespeaker add_margin(margin={margin:g}, scale={scale:g})"
        return _layer(name, weight, lambda cosine: cosine - margin, scale)
    name = f"wespeaker {project_type}(margin={margin:g} radians, scale={scale:g}{', easy_margin' * easy_margin})"
    if easy_margin:
        return _layer(name, weight, lambda c: torch.where(c > 0, (c.acos() + margin).cos(), c), scale, centers=centers)
    bend = _falling(margin, lambda cosine: cosine - 1 + math.cos(margin))
    return _layer(name, weight, bend, scale, centers=centers, agrees_to=math.pi - margin)


def _named(state: Mapping[str, Tensor], pattern: str) -> Tensor:
    """The one tensor whose whole name matches."""
    (found,) = (tensor for name, tensor in state.items() if re.fullmatch(pattern, name))
    return found


def _falling(m: float, beyond: Bend) -> Bend:
    """cos(theta + m) as far as it falls, then what a library puts there."""

    def bend(cosine: Tensor) -> Tensor:
        theta = cosine.acos()
        return torch.where(theta <= math.pi - m, (theta + m).cos(), beyond(cosine))

    return bend


def _psi(m: int) -> Bend:
    """(-1)^k cos(m theta) - 2 k, k = floor(m theta / pi)."""

    def bend(cosine: Tensor) -> Tensor:
        theta = cosine.acos()
        k = (m * theta.detach() / math.pi).floor()
        return (1 - 2 * (k % 2)) * (m * theta).cos() - 2 * k

    return bend


def _layer(
    name: str,
    weight: Tensor,
    bend: Bend,
    scale: float,
    *,
    centers: int = 1,
    feature_norm: bool = False,
    weight_norm: bool = False,
    agrees_to: float = math.pi,
) -> Reference:
    """scale * (|x|) * (|w|) * cosine, with the own class's cosine bent; of several centers the nearest."""

    def cosines(x: Tensor) -> Tensor:
        c = F.normalize(x) @ F.normalize(weight.to(x.dtype)).T
        return c.clamp(-1, 1).view(len(x), -1, centers).amax(dim=2)

    def factor(x: Tensor) -> Tensor:
        length: Tensor = x.norm(dim=1, keepdim=True) if feature_norm else x.new_ones(len(x), 1)
        lengths: Tensor = weight.to(x.dtype).norm(dim=1) if weight_norm else x.new_ones(1)
        return length * lengths * scale

    def logits(x: Tensor) -> Tensor:
        return factor(x) * cosines(x)

    def losses(x: Tensor, y: Tensor) -> Tensor:
        c = cosines(x)
        own = bend(c.gather(1, y[:, None]))
        return F.cross_entropy(factor(x) * c.scatter(1, y[:, None], own), y, reduction="none")

    return Reference(name, logits, losses, agrees_to)
