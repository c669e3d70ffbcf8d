import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ._check import check_not_negative, check_positive
from ._margin import Combine, Margin, Rows


@dataclass(frozen=True, eq=False)
class SphereFace2(Margin):
    """SphereFace2: every class its own yes or no, with a margin on both sides and one bias for all.

        t = r (g(cos(theta_y)) - m) + b,   o_j = r (g(cos(theta_j)) + m) + b,   g(c) = 2 ((c + 1) / 2)^p - 1
        loss = weight / r (lambda softplus(-t) + (1 - lambda) sum_{j != y} softplus(o_j))

    This is the form with an additive margin, SphereFace2-C. g spreads cosines near 1. The bias b is the layer's:
    Head(..., bias=True) starts it where it has no gradient if all cosines are 0; without, b is 0 for good.

    The defaults are those of the authors' code, whose factor `weight` is not in the paper. Its present form
    back-propagates as if g were its argument; `straight_through` does so too.

    Args:
        margin: m, at least 0, in cosine units.
        scale: r, above 0.
        power: p, at least 1; the paper's t.
        balance: lambda, between 0 and 1, the share of the own class.
        weight: a factor on the whole loss, above 0.
        straight_through: back-propagate as if g(c) were c. Off: the true gradient.

    Raises:
        ValueError: a field is out of its range.

    When to use: Verification by one threshold, very many classes, or wrong labels: every class is a yes-or-no question
    of its own instead of a rival in one sum. Give the head `bias=True`.

    Reference: Wen, Liu, Weller, Raj, Singh, "SphereFace2: Binary Classification is All You Need for Deep Face
    Recognition", ICLR 2022, arXiv 2108.01513, eqs. 5-6.
    """

    combine: ClassVar[Combine] = "one-vs-all"
    margin: float = 0.4
    scale: float | Tensor = 40.0
    power: float = 3.0
    balance: float = 0.7
    weight: float = 50.0
    straight_through: bool = False

    def __post_init__(self) -> None:
        check_not_negative("SphereFace2", "margin", self.margin)
        check_positive("SphereFace2", "scale", self.scale)
        check_positive("SphereFace2", "power", self.power)
        if self.power < 1:
            raise ValueError(
                f"SphereFace2: power is {self.power}, expected at least 1: below, the slope at -1 is infinite"
            )
        if not 0 < self.balance < 1:
            raise ValueError(f"SphereFace2: balance is {self.balance!r}, expected a number above 0 and below 1")
        check_positive("SphereFace2", "weight", self.weight)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (self._spread(similarity) - self.margin)

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        return self.scale * (self._spread(similarity) + self.margin)

    def class_loss(self, logits: Tensor) -> Tensor:
        return -(1 - self.balance) * self.weight / self.scale * F.logsigmoid(-logits)

    def join(self, target: Tensor, rest: Tensor) -> Tensor:
        return -self.balance * self.weight / self.scale * F.logsigmoid(target) + rest

    def initial_bias(self, num_classes: int) -> float:
        """The b at which lambda sigmoid(-t) = (1 - lambda) (K - 1) sigmoid(o) with all cosines 0; K at least 2.

        b = log(z) / 2 - r g(0) + asinh((z - 1) exp(r m) / (2 sqrt(z))),   z = lambda / ((1 - lambda) (K - 1))
        """
        scale = float(self.scale)
        z = self.balance / ((1 - self.balance) * max(num_classes - 1, 1))
        # asinh(q exp(e)) with the exponent drawn out, so that no r and m overflow
        q, e = (z - 1) / (2 * math.sqrt(z)), scale * self.margin
        slant = math.copysign(e + math.log(abs(q) + math.hypot(q, math.exp(-e))), q)
        return float(math.log(z) / 2 - scale * (2 * 0.5**self.power - 1) + slant)

    def _spread(self, cosine: Tensor) -> Tensor:
        """g, or its value with the slope 1."""
        # by rounding a cosine may pass -1, where a power of a negative number is none
        spread = 2 * ((cosine + 1) / 2).clamp(min=0) ** self.power - 1
        return cosine + (spread - cosine).detach() if self.straight_through else spread
