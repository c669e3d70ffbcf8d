from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ._arcface import arc
from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class CurricularFace(Margin):
    """CurricularFace: ArcFace whose hard classes count little at first and more as training goes on.

        t_y = s cos(theta_y + m),   o_j = s cos(theta_j),
        or  s cos(theta_j) (t + cos(theta_j))  where cos(theta_j) > cos(theta_y + m)
        t <- a mean_i cos(theta_{y_i}) + (1 - a) t,   t = 0 at first

    The running number t moves before the loss of its batch is taken, by the cosines without the margin, and is a
    constant for the gradient. Past theta_y = pi - m the own logit is s (cos(theta_y) - m sin(m)), as in the authors'
    code, and jumps. The paper gives the new batch the weight 0.99 and sums over it; the authors' code gives it 0.01
    and takes the mean, as here.

    Args:
        margin: m in radians, at least 0.
        scale: s, above 0.
        momentum: a, the weight of the new batch, in [0, 1].

    Raises:
        ValueError: a field is out of its range.

    When to use: Long training on large sets: hard classes count little at first, and more as the rows come right.

    Reference: Huang, Wang, Tai, Liu, Shen, Li, Li, Huang, "CurricularFace: Adaptive Curriculum Learning Loss for Deep
    Face Recognition", CVPR 2020, arXiv 2004.00288.
    """

    angles: ClassVar[tuple[str, ...]] = ("margin",)
    margin: float = 0.5
    scale: float | Tensor = 64.0
    momentum: float = 0.01

    def __post_init__(self) -> None:
        check_not_negative("CurricularFace", "margin", self.margin)
        check_positive("CurricularFace", "scale", self.scale)
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"CurricularFace: momentum is {self.momentum!r}, expected a number in [0, 1]")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * arc(similarity, self.margin, "monotone")

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        hard = similarity > arc(rows.similarity, self.margin, "plain")[:, None]
        t = rows.statistics["t"].to(similarity.dtype)
        return self.scale * torch.where(hard, similarity * (t + similarity), similarity)

    def init_statistics(self, num_classes: int) -> dict[str, float]:
        return {"t": 0.0}

    def update_statistics(
        self, statistics: Mapping[str, Tensor], rows: Rows, rest: Callable[[], Tensor]
    ) -> dict[str, Tensor]:
        return {"t": self.momentum * rows.similarity.mean() + (1 - self.momentum) * statistics["t"]}
