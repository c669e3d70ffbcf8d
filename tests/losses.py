"""Every public margin and feature loss, in the settings the contract tests run them in."""

from dataclasses import dataclass

import torch
from torch import Tensor

import cones
from cones import Margin, Rows

EVERY_MARGIN: list[Margin] = [
    cones.Softmax(),
    cones.Softmax(scale=2.5),
    cones.LSoftmax(margin=4),
    cones.LSoftmax(margin=2, scale=0.7, blend=3.0),
    cones.LSoftmax(margin=1),
    cones.ASoftmax(margin=4),
    cones.ASoftmax(margin=3, scale=1.3, blend=5.0),
    cones.ASoftmax(margin=7),
    cones.L2Softmax(),
    cones.NormFace(),
    cones.COCO(),
    cones.CosFace(),
    cones.CosFace(margin=0.2, scale=16.0),
    cones.ArcFace(),
    cones.ArcFace(margin=0.3, scale=16.0, tail="plain"),
    cones.ArcFace(margin=0.3, scale=16.0, tail="monotone"),
    cones.ArcFace(margin=0.3, scale=16.0, tail="easy"),
    cones.ArcFace(margin=0.3, scale=16.0, tail="clip"),
    cones.CombinedMargin(),
    cones.CombinedMargin(m1=1.35, m2=0.0, m3=0.0, scale=10.0),
    cones.CombinedMargin(m1=2.0, m2=0.4, m3=0.1, scale=5.0, tail="plain"),
]


@dataclass(frozen=True)
class Bending(Margin):
    """An artificial margin, smooth in everything, whose other classes see the target: nothing may be detached."""

    scale: float | Tensor = 3.0
    sharpness: float = 0.5

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - 0.1 * similarity**2 + 0.02 * rows.feature_norm - 0.03 * rows.weight_norm)

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        pull = torch.tanh(self.sharpness * (target[:, None] - similarity)) * rows.feature_norm[:, None]
        return self.scale * similarity * (1 + 0.3 * pull) + 0.1 * rows.similarity[:, None] * rows.weight_norm[:, None]


@dataclass(frozen=True)
class Biased(Margin):
    """An artificial margin with a class bias and a penalty."""

    scale: float | Tensor = 4.0

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - 0.2)

    def class_bias(self, num_classes: int) -> Tensor:
        return torch.linspace(-1, 1, num_classes)

    def penalty(self, rows: Rows) -> Tensor:
        return 0.1 * rows.feature_norm**2


def problem(n: int = 7, k: int = 23, d: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64):
    """Random features (N, D), weight (K, D), labels (N,) and bias (K,)."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, d, generator=generator, dtype=torch.float64)
    weight = torch.randn(k, d, generator=generator, dtype=torch.float64)
    labels = torch.randint(k, (n,), generator=generator)
    bias = torch.randn(k, generator=generator, dtype=torch.float64)
    return features.to(dtype), weight.to(dtype), labels, bias.to(dtype)
