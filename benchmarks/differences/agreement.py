"""Losses that two libraries share: the largest differences in values and gradients, with units converted."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.differences.peers import OML, PML, has_oml, oml_loss, opensphere_losses, pml_loss, pml_losses, version
from cones import COCO, ArcFace, ASoftmax, CosFace, LSoftmax, Margin, NormFace, margin_softmax
from cones.migrate import formulas

ROWS, CLASSES, DIM = 256, 100, 16

Losses = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""features (N, D), weight (K, D), labels (N,) -> losses (N,), and the leaf whose gradient is that of the weight."""


@dataclass(frozen=True)
class Pair:
    """A loss that both have.

    Attributes:
        peer: library and version, or "formula, not run".
        theirs: as they write it.
        margin: as we write it.
        losses: theirs.
        unlike: the gradient that is another by design, or "".
    """

    peer: str
    theirs: str
    margin: Margin
    losses: Losses
    unlike: str = ""


@dataclass(frozen=True)
class Difference:
    """Largest absolute differences of a pair, and the largest loss and gradient to judge them by."""

    loss: float
    by_features: float
    by_weight: float
    largest_loss: float
    largest_gradient: float


def problem(dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, D), weight (K, D), labels (N,): lengths near 1, a feature at any angle to its class.

    Angles stay 0.01 radians away from 0 and pi, where gradients of some peers are NaN.
    """
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(CLASSES, DIM, generator=random, dtype=torch.float64) / math.sqrt(DIM)
    y = torch.randint(CLASSES, (ROWS,), generator=random)
    own = F.normalize(weight[y])
    free = torch.randn(ROWS, DIM, generator=random, dtype=torch.float64)
    aside = F.normalize(free - (free * own).sum(dim=1, keepdim=True) * own)
    theta = 0.01 + (math.pi - 0.02) * torch.rand(ROWS, 1, generator=random, dtype=torch.float64)
    length = 0.5 + 1.5 * torch.rand(ROWS, 1, generator=random, dtype=torch.float64)
    return (length * (own * theta.cos() + aside * theta.sin())).to(dtype), weight.to(dtype), y


def difference(pair: Pair, dtype: torch.dtype) -> Difference:
    """Run both sides in one precision."""
    x, weight, y = problem(dtype)
    their_x = x.clone().requires_grad_()
    their_loss, leaf = pair.losses(their_x, weight, y)
    their_loss.sum().backward()
    our_x, our_weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    our_loss = margin_softmax(our_x, our_weight, y, pair.margin)
    our_loss.sum().backward()
    their_weight = _gradient(leaf) if leaf.shape == weight.shape else _gradient(leaf).T
    return Difference(
        loss=float((our_loss - their_loss).detach().abs().max()),
        by_features=float((_gradient(our_x) - _gradient(their_x)).abs().max()),
        by_weight=float((_gradient(our_weight) - their_weight).abs().max()),
        largest_loss=float(their_loss.detach().abs().max()),
        largest_gradient=max(float(_gradient(their_x).abs().max()), float(their_weight.abs().max())),
    )


def pairs() -> list[Pair]:
    """Every loss that cones and a peer both have; those whose peer cannot be run here are formulas or left out."""
    pml = f"{PML} {version(PML)}"
    found = []
    settings: Mapping[str, float]
    margin: Margin
    for name, settings, margin in (
        ("ArcFaceLoss", {"margin": 28.6, "scale": 64}, ArcFace(math.radians(28.6), 64.0, "monotone")),
        ("CosFaceLoss", {"margin": 0.35, "scale": 64}, CosFace(0.35, 64.0)),
        ("SphereFaceLoss", {"margin": 4, "scale": 1}, ASoftmax(4, 1.0)),
        ("LargeMarginSoftmaxLoss", {"margin": 4, "scale": 1}, LSoftmax(4, 1.0)),
        ("NormalizedSoftmaxLoss", {"temperature": 0.05}, NormFace(20.0)),
    ):
        theirs = f"{name}({', '.join(f'{key}={value}' for key, value in settings.items())})"
        found.append(Pair(pml, theirs, margin, _of_pml(name, settings)))
    if has_oml():
        monotone = ArcFace(0.5, 64.0, "monotone")
        found.append(Pair(f"{OML} {version(OML)}", "ArcFaceLoss(m=0.5, s=64)", monotone, _of_oml))
    formula = "formula, not run"
    straight = ArcFace(0.5, 64.0, "plain", straight_through=True)
    found += [
        Pair(f"insightface, {formula}", "margin_list (1, 0.5, 0), s=64", straight, _of_insightface(0.5, 0.0)),
        Pair(f"insightface, {formula}", "margin_list (1, 0, 0.4), s=64", CosFace(0.4, 64.0), _of_insightface(0.0, 0.4)),
    ]
    clipped = ArcFace(0.5, 64.0, "clip", straight_through=True)
    for bend, theirs, margin, m in (
        ("arc", "ArcFace(s=64, m=0.5)", clipped, 0.5),
        ("cos", "CosFace(s=64, m=0.35)", CosFace(0.35, 64.0), 0.35),
        ("coco", "CocoLoss(s=30)", COCO(30.0), 0.0),
    ):
        peer = f"opensphere, {formula}"
        found.append(Pair(peer, theirs, margin, _of_opensphere(bend, m, float(margin.scale)), unlike="W"))
    return found


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def _of_pml(name: str, settings: Mapping[str, float]) -> Losses:
    def losses(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss = pml_loss(name, weight, **settings)
        return pml_losses(loss, x, y), loss.get_parameter("W")

    return losses


def _of_oml(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    loss = oml_loss(weight)
    return loss(x, y), loss.get_parameter("weight")


def _of_insightface(m2: float, m3: float) -> Losses:
    def losses(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        leaf = weight.clone().requires_grad_()
        return formulas.insightface([{"weight": leaf}], m2=m2, m3=m3).losses(x, y), leaf

    return losses


def _of_opensphere(bend: str, m: float, s: float) -> Losses:
    def losses(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        leaf = weight.clone().requires_grad_()
        return opensphere_losses(x, leaf, y, bend, m, s), leaf

    return losses
