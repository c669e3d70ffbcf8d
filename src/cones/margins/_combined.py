from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from ._angle import shifted_cosine
from ._check import check_positive
from ._margin import Margin, Rows
from ._per_class import PerClass, as_tuple, check_each_not_negative, check_one_a_class, of_rows


@dataclass(frozen=True, eq=False)
class CombinedMargin(Margin):
    """The three margins in one: on the angle's multiple, the angle and the cosine.

        t = s (cos(m1 theta_y + m2) - m3),   o_j = s cos(theta_j)

    m1 alone is SphereFace's margin on a scaled unit sphere, m2 alone ArcFace's, m3 alone CosFace's. For m2 and m3 a
    tuple or a (K,) tensor has one number per class; a tensor may be learnt, and is then yours to optimise and to save.

    Args:
        m1: multiple of the angle, above 0.
        m2: added to the angle, in radians, at least 0.
        m3: subtracted from the cosine, at least 0.
        scale: s, above 0.
        tail: "smooth" continues past every multiple of pi as psi does, monotone with a continuous slope; "plain" is
            the cosine itself, which rises again.

    Raises:
        ValueError: a field is out of its range; or, when used, a tuple or tensor does not have one number per class.

    When to use: To tune between the three margins when one alone is not enough; the default is the mixture that the
    authors of ArcFace give.

    Reference: Deng, Guo, Xue, Zafeiriou, "ArcFace", CVPR 2019, arXiv 1801.07698, eq. 4.
    """

    angles: ClassVar[tuple[str, ...]] = ("m2",)
    cosines: ClassVar[tuple[str, ...]] = ("m3",)
    m1: float = 1.0
    m2: PerClass = 0.3
    m3: PerClass = 0.2
    scale: float | Tensor = 64.0
    tail: Literal["smooth", "plain"] = "smooth"

    def __post_init__(self) -> None:
        as_tuple(self, "m2")
        as_tuple(self, "m3")
        check_positive("CombinedMargin", "m1", self.m1)
        check_each_not_negative("CombinedMargin", "m2", self.m2)
        check_each_not_negative("CombinedMargin", "m3", self.m3)
        check_positive("CombinedMargin", "scale", self.scale)
        if self.tail not in ("smooth", "plain"):
            raise ValueError(f"CombinedMargin: tail is {self.tail!r}, expected 'smooth' or 'plain'")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        shifted = shifted_cosine(similarity, self.m1, of_rows(self.m2, rows), fold=self.tail == "smooth")
        return self.scale * (shifted - of_rows(self.m3, rows))

    def check(self, num_classes: int) -> None:
        check_one_a_class("CombinedMargin", "m2", self.m2, num_classes)
        check_one_a_class("CombinedMargin", "m3", self.m3, num_classes)
