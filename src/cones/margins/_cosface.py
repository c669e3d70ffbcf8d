from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._check import check_positive
from ._margin import Margin, Rows
from ._per_class import PerClass, as_tuple, check_each_not_negative, check_one_a_class, of_rows


@dataclass(frozen=True, eq=False)
class CosFace(Margin):
    """CosFace, also known as AM-Softmax: a margin subtracted from the cosine.

        t = s (cos(theta_y) - m),   o_j = s cos(theta_j)

    Args:
        margin: m, at least 0, in cosine units; in D = 2 at most 1 - cos(2 pi / K) can be met (eq. 7). A tuple, list or
            (K,) tensor has one per class; a tensor may be learnt, and is then yours to optimise and to save.
        scale: s, above 0.

    Raises:
        ValueError: a field is out of its range; or, when used, a tuple or tensor does not have one number per class.

    When to use: A first choice for open sets with many classes: the margin is the same at every angle, and there is
    nothing to anneal.

    Reference: Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018,
    arXiv 1801.09414, eq. 4; Wang, Cheng, Liu, Liu, "Additive Margin Softmax", arXiv 1801.05599.
    """

    cosines: ClassVar[tuple[str, ...]] = ("margin",)
    margin: PerClass = 0.35
    scale: float | Tensor = 64.0

    def __post_init__(self) -> None:
        as_tuple(self, "margin")
        check_each_not_negative("CosFace", "margin", self.margin)
        check_positive("CosFace", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - of_rows(self.margin, rows))

    def check(self, num_classes: int) -> None:
        check_one_a_class("CosFace", "margin", self.margin, num_classes)
