from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._arcface import arc
from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class MagFace(Margin):
    """MagFace: the longer a feature, the larger its margin; a term on the norm rewards length.

        a = clip(|x|, l_a, u_a),   m(a) = l_m + (u_m - l_m) (a - l_a) / (u_a - l_a)
        t = s cos(theta_y + m(a)),   o_j = s cos(theta_j),   loss + lambda g(a),   g(a) = a / u_a^2 + 1 / a

    Gradients reach the norm through m(a) and g(a), none outside [l_a, u_a]. The longer a feature ends, the surer its
    class, so the norm tells the quality of an image. The paper's proof of that asks for
    lambda >= s k u_a^2 l_a^2 / (u_a^2 - l_a^2) with k the slope of m: 22.6 at the defaults.

    The defaults are those of the authors' code in its `easy_margin` form, which has no margin where cos(theta) <= 0
    and jumps there. Its other form jumps past theta = pi - m(a) (the tail "monotone" of `ArcFace`); here that
    place has the smooth tail. The paper's formula has no tail.

    Args:
        scale: s, above 0.
        lower_norm, upper_norm: l_a and u_a, 0 < l_a < u_a.
        lower_margin, upper_margin: l_m and u_m in radians, 0 <= l_m <= u_m.
        weight: lambda, at least 0.
        easy: no margin where cos(theta_y) is at most 0; otherwise -2 - cos(theta_y + m(a)) past theta_y = pi - m(a).

    Raises:
        ValueError: a field is out of its range.

    When to use: When the norm of a feature should tell the quality of its image afterwards: good rows grow long and get
    the larger margin.

    Reference: Meng, Zhao, Huang, Zhou, "MagFace: A Universal Representation for Face Recognition and Quality
    Assessment", CVPR 2021, arXiv 2103.06627, section 3.
    """

    angles: ClassVar[tuple[str, ...]] = ("lower_margin", "upper_margin")
    scale: float | Tensor = 64.0
    lower_norm: float = 10.0
    upper_norm: float = 110.0
    lower_margin: float = 0.45
    upper_margin: float = 0.8
    weight: float = 35.0
    easy: bool = True

    def __post_init__(self) -> None:
        check_positive("MagFace", "scale", self.scale)
        check_positive("MagFace", "lower_norm", self.lower_norm)
        check_positive("MagFace", "upper_norm", self.upper_norm)
        if self.upper_norm <= self.lower_norm:
            raise ValueError(f"MagFace: upper_norm is {self.upper_norm}, expected above lower_norm, {self.lower_norm}")
        check_not_negative("MagFace", "lower_margin", self.lower_margin)
        check_not_negative("MagFace", "upper_margin", self.upper_margin)
        if self.upper_margin < self.lower_margin:
            raise ValueError(
                f"MagFace: upper_margin is {self.upper_margin}, expected at least lower_margin, {self.lower_margin}"
            )
        check_not_negative("MagFace", "weight", self.weight)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        slope = (self.upper_margin - self.lower_margin) / (self.upper_norm - self.lower_norm)
        margin = self.lower_margin + slope * (self._norm(rows) - self.lower_norm)
        return self.scale * arc(similarity, margin, "easy" if self.easy else "smooth")

    def penalty(self, rows: Rows) -> Tensor:
        norm = self._norm(rows)
        return self.weight * (norm / self.upper_norm**2 + 1 / norm)

    def _norm(self, rows: Rows) -> Tensor:
        """a (N,)."""
        return rows.feature_norm.clamp(self.lower_norm, self.upper_norm)
