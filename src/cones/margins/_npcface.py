from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ._arcface import arc
from ._check import check_finite, check_not_negative, check_positive
from ._margin import Combine, Margin, Rows


@dataclass(frozen=True, eq=False)
class NPCFace(Margin):
    """NPCFace: a feature near other classes has these count more, and a larger margin to its own.

        o_j = s cos(theta_j),   or  s (t cos(theta_j) + a)  where cos(theta_j) > cos(theta_y + m): class j is hard
        t_y = s cos(theta_y + m_i)  where cos(theta_y) > 0, else s cos(theta_y)
        m_i = m0 + m1 (mean of cos(theta_j) over the hard classes, 0 if there are none)

    Takes two more products with W than other margins, to find the hard classes' mean. All is as in the authors' code,
    the numbers too, which holds m_i fixed in the gradient (`detach`). The paper's text could not be read.

    Args:
        margin: m in radians, at least 0: what makes a class hard.
        scale: s, above 0.
        m0: margin of a feature without hard classes, in radians, at least 0.
        m1: what a mean cosine of 1 adds to it, in radians, at least 0.
        t: factor of a hard class, above 0.
        a: added to a hard class, in cosine units.
        detach: whether m_i is a constant for the gradient. Off: the true gradient.

    Raises:
        ValueError: a field is out of its range.

    When to use: Large sets of low quality, where a row that is far from its own class is also near to another: the
    margin of a row grows with the hard classes it meets.

    Reference: Zeng, Shi, Du, Wang, Lei, Mei, "NPCFace: Negative-Positive Collaborative Training for Large-scale Face
    Recognition", arXiv 2007.10172.
    """

    angles: ClassVar[tuple[str, ...]] = ("margin", "m0", "m1")
    margin: float = 0.5
    scale: float | Tensor = 64.0
    m0: float = 0.4
    m1: float = 0.2
    t: float = 1.1
    a: float = 0.2
    detach: bool = False

    def __post_init__(self) -> None:
        for name in ("margin", "m0", "m1"):
            check_not_negative("NPCFace", name, getattr(self, name))
        check_positive("NPCFace", "scale", self.scale)
        check_positive("NPCFace", "t", self.t)
        check_finite("NPCFace", "a", self.a)

    def others_summaries(self) -> tuple[Margin, ...]:
        return _Hard(self.margin, "cosine"), _Hard(self.margin, "number")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        cosines, number = rows.others_summaries
        mean = cosines / number.detach().clamp(min=1)
        margin = self.m0 + self.m1 * (mean.detach() if self.detach else mean)
        return self.scale * arc(similarity, margin, "easy")

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        hard = _hard(similarity, self.margin, rows)
        return self.scale * torch.where(hard, self.t * similarity + self.a, similarity)


@dataclass(frozen=True, eq=False)
class _Hard(Margin):
    """The sum of the hard classes' cosines, or their number."""

    combine: ClassVar[Combine] = "one-vs-all"
    margin: float
    what: str
    scale: float = 1.0

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return similarity

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        hard = _hard(similarity, self.margin, rows)
        return torch.where(hard, similarity, 0) if self.what == "cosine" else hard.to(similarity.dtype)

    def class_loss(self, logits: Tensor) -> Tensor:
        return logits


def _hard(similarity: Tensor, margin: float, rows: Rows) -> Tensor:
    """Hard classes (N, C): those nearer than the own one with its margin."""
    return similarity > arc(rows.similarity, margin, "plain")[:, None]
