"""Every public margin with the settings of the contract tests, and artificial margins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cones import Margin, Rows
from tests.references import EVERY_MARGIN as EVERY_MARGIN

RUNNING = {"t": 0.3, "mean": 2.0, "std": 0.7, "scale": 9.0}
"""Running numbers as they might stand in the middle of training, by name."""


def statistics_of(margin: Margin, num_classes: int) -> dict[str, Tensor]:
    """The margin's running numbers, away from their start."""
    return {
        name: torch.tensor(RUNNING.get(name, start), dtype=torch.float64)
        for name, start in of_classes(margin, range(num_classes)).init_statistics(num_classes).items()
    }


def of_classes(margin: Margin, classes: Sequence[int]) -> Margin:
    """The margin for some classes by number: what it has one per class of is picked, and begun again past its end."""
    several = {name: value for name, value in vars(margin).items() if isinstance(value, tuple)}
    picked = {name: tuple(value[j % len(value)] for j in classes) for name, value in several.items()}
    return replace(margin, **picked) if picked else margin


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


@dataclass(frozen=True)
class Binary(Margin):
    """An artificial one-vs-all margin, smooth in everything, with the target in what it sums."""

    combine = "one-vs-all"
    scale: float | Tensor = 3.0

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - 0.1 * similarity**2 + 0.02 * rows.feature_norm)

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        return self.scale * similarity + 0.2 * torch.tanh(target)[:, None] * similarity**2

    def class_loss(self, logits: Tensor) -> Tensor:
        return 0.3 * self.scale * super().class_loss(logits)


@dataclass(frozen=True)
class Surveying(Margin):
    """An artificial margin whose own class sees a sum over the others, smooth in everything."""

    scale: float | Tensor = 3.0

    def others_summaries(self) -> tuple[Margin, ...]:
        return (Binary(self.scale),)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - 0.3 * torch.tanh(0.1 * rows.others_summaries[0]))


ARTIFICIAL = [Bending(), Biased(), Binary(), Surveying()]


def problem(n: int = 7, k: int = 23, d: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64):
    """Random features (N, D), weight (K, D), labels (N,) and bias (K,)."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, d, generator=generator, dtype=torch.float64)
    weight = torch.randn(k, d, generator=generator, dtype=torch.float64)
    labels = torch.randint(k, (n,), generator=generator)
    bias = torch.randn(k, generator=generator, dtype=torch.float64)
    return features.to(dtype), weight.to(dtype), labels, bias.to(dtype)


def _sizes(dtype, largest):
    """0, two subnormal numbers, the smallest ordinary one, 1, and a huge one."""
    limits = torch.finfo(dtype)
    return torch.tensor([0, limits.tiny * limits.eps, limits.tiny / 8, limits.tiny, 1, largest], dtype=torch.float64)


def every_pair(dtype, largest):
    """Features (36, D), weight (6, D) and labels (36,): a row of every size with a class of every size."""
    generator = torch.Generator().manual_seed(4)
    shapes = torch.rand(42, 3, generator=generator, dtype=torch.float64) + 0.25
    shapes *= torch.randint(2, (42, 3), generator=generator) * 2 - 1
    of = _sizes(dtype, largest)[:, None]
    x, w = shapes[:36] * of.repeat_interleave(6, dim=0), shapes[36:] * of
    return x.to(dtype), w.to(dtype), torch.arange(6).repeat(6)
