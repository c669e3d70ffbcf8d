from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._angle import squared_angle
from ._check import check_finite, check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class X2Softmax(Margin):
    """X2-Softmax: a parabola in the angle, whose margin grows with the angle.

        t = s (a (theta_y - h)^2 + k),   o_j = s cos(theta_j)

    With the defaults, those of the authors' script, t is below s cos(theta_y) at every angle, s k at 0. The authors'
    code back-propagates straight through.

    Args:
        scale: s, above 0.
        a: opening of the parabola, below 0.
        h: its vertex in radians; at most 0 for t to fall all the way.
        k: its height, in cosine units.
        straight_through: back-propagate as if t were s cos(theta_y). Off: the true gradient.

    Raises:
        ValueError: a field is out of its range.

    When to use: An experiment beside `ArcFace`: the logit is a parabola in the angle, and the margin widens with it.

    Reference: Xu, Liu, Zhang, Si, Li, Shi, Wang, Gong, "X2-Softmax: Margin Adaptive Loss Function for Face
    Recognition", Expert Systems with Applications 2024, arXiv 2312.05281.
    """

    angles: ClassVar[tuple[str, ...]] = ("h",)
    scale: float | Tensor = 64.0
    a: float = -0.9
    h: float = 0.0
    k: float = 0.65
    straight_through: bool = False

    def __post_init__(self) -> None:
        check_positive("X2Softmax", "scale", self.scale)
        for name in ("a", "h", "k"):
            check_finite("X2Softmax", name, getattr(self, name))
        if self.a >= 0:
            raise ValueError(f"X2Softmax: a is {self.a}, expected a number below 0: above, t would rise with the angle")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        cosine = self.a * squared_angle(similarity, self.h) + self.k
        if self.straight_through:
            cosine = similarity + (cosine - similarity).detach()
        return self.scale * cosine
