import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ._angle import shifted_cosine
from ._check import check_positive
from ._margin import Margin, Rows
from ._per_class import PerClass, as_tuple, check_each_not_negative, check_one_a_class, of_rows

Tail = Literal["smooth", "plain", "monotone", "easy", "clip"]
TAILS: tuple[Tail, ...] = ("smooth", "plain", "monotone", "easy", "clip")


@dataclass(frozen=True, eq=False)
class ArcFace(Margin):
    """ArcFace: a margin added to the angle.

        t = s cos(theta_y + m),   o_j = s cos(theta_j)

    Past theta_y = pi - m the cosine would rise again; `tail` says what replaces it there.

    Args:
        margin: m in radians, at least 0; 0.5 radians are 28.6 degrees. A tuple or a (K,) tensor has one per class; a
            tensor may be learnt, and is then yours to optimise and to save.
        scale: s, above 0.
        tail: "smooth" -2 - cos(theta + m), the monotone continuation with a continuous slope, folded again past every
            further multiple of pi; "plain" the paper's cos(theta + m); "monotone" cos(theta) - m sin(m), the original
            code's, which jumps; "easy" cos(theta) wherever that is at most 0; "clip" cos(min(theta + m, pi)), whose
            gradient there is 0.
        straight_through: back-propagate as if t were s cos(theta_y), as some public code does. Off: the true
            gradient.

    Raises:
        ValueError: a field is out of its range; or, when used, a tuple or tensor does not have one number per class.

    When to use: The usual choice for open sets with many clean classes, compared by angle. If it does not start to
    learn, warm the margin up from 0.

    Reference: Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition",
    CVPR 2019, arXiv 1801.07698, eq. 3.
    """

    angles: ClassVar[tuple[str, ...]] = ("margin",)
    margin: PerClass = 0.5
    scale: float | Tensor = 64.0
    tail: Tail = "smooth"
    straight_through: bool = False

    def __post_init__(self) -> None:
        as_tuple(self, "margin")
        check_each_not_negative("ArcFace", "margin", self.margin)
        check_positive("ArcFace", "scale", self.scale)
        if self.tail not in TAILS:
            raise ValueError(f"ArcFace: tail is {self.tail!r}, expected one of {', '.join(TAILS)}")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        cosine = arc(similarity, of_rows(self.margin, rows), self.tail)
        if self.straight_through:
            cosine = similarity + (cosine - similarity).detach()
        return self.scale * cosine

    def check(self, num_classes: int) -> None:
        check_one_a_class("ArcFace", "margin", self.margin, num_classes)


def arc(cosine: Tensor, margin: float | Tensor, tail: Tail) -> Tensor:
    """cos(theta + m) with the chosen tail past theta = pi - m; margin in radians, a number or (N,)."""
    if tail == "smooth":
        return shifted_cosine(cosine, 1.0, margin)
    shifted = shifted_cosine(cosine, 1.0, margin, fold=False)
    if tail == "plain":
        return shifted
    if tail == "easy":
        return torch.where(cosine > 0, shifted, cosine)
    margin = torch.as_tensor(margin, dtype=cosine.dtype, device=cosine.device)
    # with m past pi there is no angle that is not past pi - m, not even 0
    past = (cosine < -margin.clamp(max=math.pi).cos()) | (margin > math.pi)
    return torch.where(past, cosine - margin * margin.sin() if tail == "monotone" else -1.0, shifted)
