from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from ._angle import shifted_cosine
from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True)
class CombinedMargin(Margin):
    """The three margins in one: on the angle's multiple, the angle and the cosine.

        t = s (cos(m1 theta_y + m2) - m3),   o_j = s cos(theta_j)

    m1 alone is SphereFace's margin on a scaled unit sphere, m2 alone ArcFace's, m3 alone CosFace's.

    Args:
        m1: multiple of the angle, above 0.
        m2: added to the angle, in radians, at least 0.
        m3: subtracted from the cosine, at least 0.
        scale: s, above 0.
        tail: "smooth" continues past every multiple of pi as psi does, monotone with a continuous slope; "plain" is
            the cosine itself, which rises again.

    Raises:
        ValueError: a field is out of its range.

    Reference: Deng, Guo, Xue, Zafeiriou, "ArcFace", CVPR 2019, arXiv 1801.07698, eq. 4.
    """

    angles: ClassVar[tuple[str, ...]] = ("m2",)
    cosines: ClassVar[tuple[str, ...]] = ("m3",)
    m1: float = 1.0
    m2: float = 0.3
    m3: float = 0.2
    scale: float | Tensor = 64.0
    tail: Literal["smooth", "plain"] = "smooth"

    def __post_init__(self) -> None:
        check_positive("CombinedMargin", "m1", self.m1)
        check_not_negative("CombinedMargin", "m2", self.m2)
        check_not_negative("CombinedMargin", "m3", self.m3)
        check_positive("CombinedMargin", "scale", self.scale)
        if self.tail not in ("smooth", "plain"):
            raise ValueError(f"CombinedMargin: tail is {self.tail!r}, expected 'smooth' or 'plain'")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (shifted_cosine(similarity, self.m1, self.m2, fold=self.tail == "smooth") - self.m3)
