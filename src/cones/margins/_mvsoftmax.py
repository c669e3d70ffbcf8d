from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ._arcface import arc
from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class MVSoftmax(Margin):
    """MV-Softmax: other classes that a feature is taken for count more, beside a margin on the own class.

        f = cos(theta_y) - m,  or  cos(theta_y + m)
        t = s f,   o_j = s cos(theta_j),   or  s (cos(theta_j) + t (cos(theta_j) + 1))  where cos(theta_j) > f

    Defaults are those of the authors' code, the easy margin among them, which the paper's formulas do not have: there
    t falls back to s cos(theta_y) where that is at most 0, while classes are still held against f. A re-implementation
    in wide use has t = 0.12 and, for "am", an easy margin from cos(theta_y) > m on. The paper's text could not be read.

    Args:
        margin: m, at least 0: in cosine units for "am", in radians for "arc".
        scale: s, above 0.
        t: the weight of misclassified classes, at least 0; 0 leaves them as they are.
        kind: "am" for the cosine margin, "arc" for the angular one, which rises again past theta_y = pi - m.
        easy: whether the own class has its margin only where cos(theta_y) > 0.
        adaptive: whether what is added to a misclassified class grows with its cosine, or is s t for all ("fixed").

    Raises:
        ValueError: a field is out of its range.

    When to use: When mistakes fall on few classes that look alike: those that come past the margin count more from the
    first step. Wrong labels then count more, too.

    Reference: Wang, Zhang, Wang, Fu, Shi, Mei, "Mis-classified Vector Guided Softmax Loss for Face Recognition",
    AAAI 2020, arXiv 1912.00833.
    """

    angles: ClassVar[tuple[str, ...]] = ("margin",)
    margin: float = 0.35
    scale: float | Tensor = 32.0
    t: float = 0.2
    kind: Literal["am", "arc"] = "am"
    easy: bool = True
    adaptive: bool = True

    def __post_init__(self) -> None:
        check_not_negative("MVSoftmax", "margin", self.margin)
        check_positive("MVSoftmax", "scale", self.scale)
        check_not_negative("MVSoftmax", "t", self.t)
        if self.kind not in ("am", "arc"):
            raise ValueError(f"MVSoftmax: kind is {self.kind!r}, expected 'am' or 'arc'")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        cosine = self._with_margin(similarity)
        return self.scale * (torch.where(similarity > 0, cosine, similarity) if self.easy else cosine)

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        misclassified = similarity > self._with_margin(rows.similarity)[:, None]
        more = self.t * (similarity + 1 if self.adaptive else 1)
        return self.scale * torch.where(misclassified, similarity + more, similarity)

    def _with_margin(self, similarity: Tensor) -> Tensor:
        return similarity - self.margin if self.kind == "am" else arc(similarity, self.margin, "plain")
