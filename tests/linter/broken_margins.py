"""User-defined margins: a sound one, and one for each kind of defect."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from cones import Margin, Rows


@dataclass(frozen=True)
class Sound(Margin):
    """Nothing is wrong with this one."""

    margin: float = 0.2
    scale: float | Tensor = 16.0

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - self.margin)


@dataclass(frozen=True)
class Jumping(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity - torch.where(similarity > 0.5, 0.2, 0.3))


@dataclass(frozen=True)
class OthersJumping(Sound):
    def others(self, similarity, target, rows):
        return self.scale * torch.where(similarity > 0.3, similarity + 0.1, similarity)


@dataclass(frozen=True)
class Rising(Sound):
    def target(self, similarity, rows):
        return self.scale * (0.1 * similarity**2 - 1.5)


@dataclass(frozen=True)
class OthersFalling(Sound):
    def others(self, similarity, target, rows):
        return self.scale * (similarity - 0.7 * similarity**2)


@dataclass(frozen=True)
class Acos(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity - 0.1 * torch.acos(similarity) - 0.1)


@dataclass(frozen=True)
class ClampedAcos(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity - 0.1 * torch.acos(similarity.clamp(-1, 1)) - 0.1)


@dataclass(frozen=True)
class Clamped(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity.clamp(-1 + 1e-6, 1 - 1e-6) - self.margin)


@dataclass(frozen=True)
class DividesByTheNorm(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity - self.margin / rows.feature_norm)


@dataclass(frozen=True)
class Detached(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity + (0.5 * similarity**3 - similarity - 0.9).detach())


@dataclass(frozen=True)
class DetachedFromTheTarget(Sound):
    def others(self, similarity, target, rows):
        return self.scale * similarity - 0.1 * target.detach()[:, None]


@dataclass(frozen=True)
class WithoutGradient(Sound):
    @torch.no_grad()
    def target(self, similarity, rows):
        return self.scale * (similarity - self.margin)


@dataclass(frozen=True)
class SeesNeighbours(Sound):
    def others(self, similarity, target, rows):
        return self.scale * similarity + 0.1 * similarity.max(dim=1, keepdim=True).values


@dataclass(frozen=True)
class ChangesRows(Sound):
    def target(self, similarity, rows):
        similarity -= self.margin
        return self.scale * similarity


@dataclass(frozen=True)
class ChangesTile(Sound):
    def others(self, similarity, target, rows):
        return similarity.mul_(self.scale)


@dataclass(frozen=True)
class WrongShape(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity[:, None] - self.margin)


@dataclass(frozen=True)
class WrongOthersShape(Sound):
    def others(self, similarity, target, rows):
        return self.scale * similarity.mean(dim=1)


@dataclass(frozen=True)
class WrongDtype(Sound):
    def target(self, similarity, rows):
        return (self.scale * (similarity - self.margin)).float()


@dataclass(frozen=True)
class NotATensor(Sound):
    def target(self, similarity, rows):
        return None


@dataclass(frozen=True)
class SeesRows(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity - 0.2 - 0.05 * similarity.mean())


@dataclass(frozen=True)
class AboveNeutral(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity + 0.1)


@dataclass(frozen=True)
class Impure(Sound):
    def init_statistics(self, num_classes):
        return {"mean": 0.0}

    def update_statistics(self, statistics, rows, rest):
        statistics["mean"].mul_(0.9).add_(0.1 * rows.similarity.mean())
        return dict(statistics)


@dataclass(frozen=True)
class ForgetsStatistics(Impure):
    def update_statistics(self, statistics, rows, rest):
        return {}


@dataclass(frozen=True)
class NaNStatistics(Impure):
    def update_statistics(self, statistics, rows, rest):
        return {"mean": rows.feature_norm.var(correction=0) / (len(rows.label) - 1)}


class NotFrozen(Sound):
    def __init__(self) -> None:
        pass


@dataclass(frozen=True)
class Unhashable(Sound):
    by_name: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SilentRepr(Sound):
    def __repr__(self) -> str:
        return "SilentRepr()"


@dataclass(frozen=True)
class AngleIsNoField(Sound):
    angles: ClassVar[tuple[str, ...]] = ("m",)


@dataclass(frozen=True)
class NoGeometry(Sound):
    features: ClassVar = "Unit"  # type: ignore[assignment]


@dataclass(frozen=True)
class Raising(Sound):
    def others(self, similarity, target, rows):
        return similarity[:, [99]]


@dataclass(frozen=True)
class RaisingForNoRows(Sound):
    def target(self, similarity, rows):
        return self.scale * (similarity - 0.2 + 0.0 * similarity.detach().max())


@dataclass(frozen=True)
class Remembering(Sound):
    asked: ClassVar[list[int]] = []

    def target(self, similarity, rows):
        self.asked.append(1)
        return self.scale * (similarity - 0.001 * len(self.asked))


@dataclass(frozen=True)
class OtherWithoutGradient(Sound):
    """The engine asks once without gradients and once with them."""

    def others(self, similarity, target, rows):
        return self.scale * similarity * (1.0 if torch.is_grad_enabled() else 1.01)


@dataclass(frozen=True)
class RaisingAtThePole(Sound):
    def target(self, similarity, rows):
        if (similarity == 1).any():
            raise ValueError
        return self.scale * (similarity - self.margin)


@dataclass(frozen=True)
class RaisingStatistics(Sound):
    def init_statistics(self, num_classes):
        return {"mean": 1 / 0}


@dataclass(frozen=True)
class WrongBias(Sound):
    def class_bias(self, num_classes):
        return torch.zeros(num_classes + 1)


@dataclass(frozen=True)
class RandomOthers(Sound):
    def others(self, similarity, target, rows):
        return self.scale * similarity + 0.1 * torch.randn(similarity.shape, dtype=similarity.dtype)
