"""Margins with one odd property each, for code that inspects margins."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from cones import Margin
from cones.catalogue import LONG_TAIL
from cones.margins import Combine, Geometry


@dataclass(frozen=True)
class Tail(Margin):
    """Rare classes get a larger margin."""

    scale: float | Tensor = 3.0

    def target(self, similarity, rows):
        return self.scale * (similarity - 0.5 * (torch.tensor(LONG_TAIL)[rows.label] / LONG_TAIL[-1]) ** -0.25)


@dataclass(frozen=True)
class Prior(Margin):
    """Logit adjustment."""

    features: ClassVar[Geometry] = "raw"
    weights: ClassVar[Geometry] = "raw"
    scale: float | Tensor = 1.0

    def target(self, similarity, rows):
        return self.scale * similarity

    def class_bias(self, num_classes):
        return (torch.tensor(LONG_TAIL) / sum(LONG_TAIL)).log()


@dataclass(frozen=True)
class Quality(Margin):
    """Longer features get a larger margin."""

    scale: float | Tensor = 3.0

    def target(self, similarity, rows):
        return self.scale * (similarity - 0.01 * rows.feature_norm)


@dataclass(frozen=True)
class Running(Margin):
    """A scale that is a running number, and none as a field."""

    @property
    def scale(self):
        return 1.0

    def scale_with(self, statistics):
        return statistics["scale"]

    def init_statistics(self, num_classes):
        return {"scale": float(num_classes)}

    def update_statistics(self, statistics, rows, rest):
        return {"scale": rest().mean()}

    def target(self, similarity, rows):
        return rows.statistics["scale"] * similarity


@dataclass(frozen=True)
class YesOrNo(Margin):
    """One against all."""

    combine: ClassVar[Combine] = "one-vs-all"
    scale: float | Tensor = 4.0

    def target(self, similarity, rows):
        return self.scale * (similarity - 0.25)

    def others(self, similarity, target, rows):
        return self.scale * (similarity + 0.25)

    def initial_bias(self, num_classes):
        return -1.0


@dataclass(frozen=True)
class Random(Margin):
    """A margin drawn for each row."""

    scale: float | Tensor = 2.0

    def target(self, similarity, rows):
        return self.scale * (similarity - 0.3 - 0.1 * torch.randn_like(similarity))
