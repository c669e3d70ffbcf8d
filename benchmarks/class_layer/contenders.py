"""Contenders of the benchmark: class layers that turn features (N, D) and their W (K, D) into a mean loss.

ArcFace means m = 0.5 radians and s = 64 everywhere, so that all who compute it compute the same number.
"""

import importlib.metadata
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cones import ArcFace, Margin, Rows, Softmax, margin_softmax
from cones.engine.planner import MEMORY_BUDGET
from cones.engine.processor import product_speeds

MARGIN = 0.5
SCALE = 64.0
SMALL_BUDGET = 2**26
PML = "pytorch-metric-learning"

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""features (N, D), weight (K, D), labels (N,) -> losses (N,), or their mean."""


class Layer(nn.Module):
    """A weight (K, D) and a loss of features, weight and labels."""

    def __init__(self, loss: Loss, weight: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.weight = nn.Parameter(weight)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Losses (N,), or their mean."""
        return self.loss(features, self.weight, labels)

    def weight_gradient(self) -> Tensor:
        """(K, D)."""
        assert self.weight.grad is not None
        return self.weight.grad


class PmlArcFace(nn.Module):
    """ArcFaceLoss of pytorch-metric-learning, which counts in degrees and keeps W as (D, K)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        from pytorch_metric_learning.losses import ArcFaceLoss
        from pytorch_metric_learning.reducers import DoNothingReducer

        num_classes, dim = weight.shape
        degrees = math.degrees(MARGIN)
        self.loss = ArcFaceLoss(num_classes, dim, margin=degrees, scale=SCALE, reducer=DoNothingReducer())
        self.loss.W = nn.Parameter(weight.T.contiguous())

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Losses (N,)."""
        losses: Tensor = self.loss(features, labels)["loss"]["losses"]
        return losses

    def weight_gradient(self) -> Tensor:
        """(K, D)."""
        gradient: Tensor = self.loss.W.grad.T
        return gradient


@dataclass(frozen=True)
class Bent(Margin):
    """ArcFace that turns up the classes which beat the own one: its `others` takes the engine's general path.

        t = s cos(theta_y + m),   o_j = s (h cos(theta_j) + h - 1) where that class beats t, else s cos(theta_j)

    After Wang et al., "Mis-classified Vector Guided Softmax Loss for Face Recognition", AAAI 2020, arXiv 1912.00833.
    """

    scale: float | Tensor = SCALE
    hardness: float = 1.2

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return ArcFace(MARGIN, self.scale).target(similarity, rows)

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        logits = self.scale * similarity
        harder = self.hardness * logits + (self.hardness - 1) * self.scale
        return torch.where(logits > target[:, None], harder, logits)


def cones_loss(
    features: Tensor, weight: Tensor, labels: Tensor, *, margin: Margin, budget: int, compute_dtype: torch.dtype | None
) -> Tensor:
    """The streaming engine under a margin, `budget` bytes of temporaries."""
    return margin_softmax(features, weight, labels, margin, memory_budget=budget, compute_dtype=compute_dtype)


def one_hot_arcface(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """ArcFace as it is often written: cos(theta + m) of every class, blended in by a one-hot matrix."""
    cosine = F.linear(F.normalize(features), F.normalize(weight)).clamp(-1, 1)
    shifted = cosine * math.cos(MARGIN) - (1 - cosine**2).sqrt() * math.sin(MARGIN)
    own = F.one_hot(labels, len(weight)).to(cosine.dtype)
    return F.cross_entropy(SCALE * (own * shifted + (1 - own) * cosine), labels, reduction="none")


def indexed_arcface(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The same with the margin worked out for N numbers, which are written into the (N, K) matrix in place."""
    return _through_matrix(F.linear(F.normalize(features), F.normalize(weight)), labels)


def autocast_arcface(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The same with bfloat16 products, as mixed-precision training takes them; the loss itself in float32."""
    with torch.autocast(features.device.type, torch.bfloat16):
        cosine = F.linear(F.normalize(features), F.normalize(weight))
    return _through_matrix(cosine.float(), labels)


def linear_ce(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Inner products and cross entropy, without a margin."""
    return F.cross_entropy(F.linear(features, weight), labels)


def torch_linear_ce(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """PyTorch's own function for it, with its defaults."""
    return F.linear_cross_entropy(features, weight, labels)


def torch_linear_ce_chunked(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The same with its own chunks of rows, which must be asked for."""
    return F.linear_cross_entropy(features, weight, labels, options=nn.LinearCrossEntropyOptions())


@dataclass(frozen=True)
class Contender:
    """A class layer and what is known of it before it runs.

    Attributes:
        name: as the tables show it.
        build: makes the layer from a weight (K, D); None for the three products alone.
        arcface: whether its loss is ArcFace, so that its error can be told.
        in_bfloat16: whether its products round to bfloat16.
        matrices: (N, K) arrays of float32 that live at its peak.
        copies: (K, D) arrays of float32 that live then, beside W and its gradient.
        budget: bytes it holds whatever the size.
    """

    name: str
    build: Callable[[Tensor], Layer | PmlArcFace] | None
    arcface: bool = False
    in_bfloat16: bool = False
    matrices: int = 0
    copies: int = 0
    budget: int = 0

    def bytes_needed(self, num_rows: int, num_classes: int, dim: int) -> int:
        """Features, W, both gradients and what the layer holds at its peak."""
        own = self.matrices * num_rows * num_classes + self.copies * num_classes * dim
        return 4 * (own + 2 * dim * (num_rows + num_classes)) + self.budget

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        if self.in_bfloat16 and not torch.cuda.is_available():
            speeds = product_speeds(512, 512)
            if speeds.slower:
                return f"bfloat16 is the slower here ({speeds})"
        if self.build is PmlArcFace and importlib.util.find_spec("pytorch_metric_learning") is None:
            return f"{PML} is not installed"
        needs_torch = {TORCH_CE: (F, "linear_cross_entropy"), TORCH_CE_CHUNKED: (nn, "LinearCrossEntropyOptions")}
        module, attribute = needs_torch.get(self.name, (torch, "mm"))
        return None if hasattr(module, attribute) else f"this torch has no {attribute}"


def _through_matrix(cosine: Tensor, labels: Tensor) -> Tensor:
    """ArcFace losses (N,) from cosines (N, K), which are used up."""
    rows = torch.arange(len(labels), device=labels.device)
    own = cosine[rows, labels].clamp(-1, 1)  # not gather, which would hold on to the matrix
    cosine[rows, labels] = (own.acos() + MARGIN).cos()
    return F.cross_entropy(cosine.mul_(SCALE), labels, reduction="none")


def _cones(
    margin: Margin, budget: int = MEMORY_BUDGET, compute_dtype: torch.dtype | None = None
) -> Callable[[Tensor], Layer]:
    return partial(Layer, partial(cones_loss, margin=margin, budget=budget, compute_dtype=compute_dtype))


def _arcface(name: str, budget: int, compute_dtype: torch.dtype | None = None) -> Contender:
    build = _cones(ArcFace(MARGIN, SCALE), budget, compute_dtype)
    return Contender(name, build, arcface=True, in_bfloat16=compute_dtype is not None, budget=budget)


FAST_PRODUCTS = "three products, tiled, cones' kernel"
BARE_ARCFACE = "the passes of ArcFace alone"
CONES = "cones ArcFace"
CONES_LOW = "cones ArcFace, bfloat16"
CONES_TIGHT = "cones ArcFace, 64 MiB"
CONES_SOFTMAX = "cones Softmax"
INDEXED = "dense ArcFace, indexed"
AUTOCAST = "dense ArcFace, indexed, bfloat16 autocast"
LINEAR_CE = "linear + cross_entropy, no margin"
TORCH_CE = "F.linear_cross_entropy, no margin"
TORCH_CE_CHUNKED = "F.linear_cross_entropy, chunked, no margin"

CONTENDERS = (
    Contender(FAST_PRODUCTS, None, budget=MEMORY_BUDGET),
    Contender(BARE_ARCFACE, None, budget=MEMORY_BUDGET),
    _arcface(CONES, MEMORY_BUDGET),
    _arcface(CONES_LOW, MEMORY_BUDGET, torch.bfloat16),
    _arcface(CONES_TIGHT, SMALL_BUDGET),
    _arcface("cones ArcFace, bfloat16, 64 MiB", SMALL_BUDGET, torch.bfloat16),
    Contender(CONES_SOFTMAX, _cones(Softmax()), budget=MEMORY_BUDGET),
    Contender("cones, a margin that modifies the others", _cones(Bent()), copies=2, budget=MEMORY_BUDGET),
    Contender("pytorch-metric-learning ArcFaceLoss", PmlArcFace, arcface=True, matrices=5, copies=2),
    Contender("dense ArcFace, one-hot", partial(Layer, one_hot_arcface), arcface=True, matrices=10, copies=2),
    Contender(INDEXED, partial(Layer, indexed_arcface), arcface=True, matrices=3, copies=2),
    Contender(AUTOCAST, partial(Layer, autocast_arcface), arcface=True, in_bfloat16=True, matrices=4, copies=3),
    Contender(LINEAR_CE, partial(Layer, linear_ce), matrices=3),
    Contender(TORCH_CE, partial(Layer, torch_linear_ce), matrices=3),
    Contender(TORCH_CE_CHUNKED, partial(Layer, torch_linear_ce_chunked), matrices=1, copies=1),
)


def by_name(name: str) -> Contender:
    """The contender of that name."""
    return next(contender for contender in CONTENDERS if contender.name == name)


def pml_version() -> str | None:
    """Version of pytorch-metric-learning, None where it is not installed."""
    try:
        return importlib.metadata.version(PML)
    except importlib.metadata.PackageNotFoundError:
        return None
