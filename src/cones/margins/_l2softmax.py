from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._check import check_positive
from ._margin import Geometry, Margin, Rows


@dataclass(frozen=True, eq=False)
class L2Softmax(Margin):
    """L2-constrained softmax: features on a sphere of radius s, weights and bias free.

        t = s w_y . x / |x| + b_y,   o_j = s w_j . x / |x| + b_j

    The scale does not multiply the bias. For K classes and probability p it should be at least
    log(p (K - 2) / (1 - p)).

    Args:
        scale: s, above 0.

    Raises:
        ValueError: scale is not a finite number above 0.

    When to use: Features compared by cosine later, with class weights left free. The scale has to grow with the number
    of classes, or no row can be sure.

    Reference: Ranjan, Castillo, Chellappa, "L2-constrained Softmax Loss for Discriminative Face Verification",
    arXiv 1703.09507, section 4.
    """

    weights: ClassVar[Geometry] = "raw"
    scale: float | Tensor = 16.0

    def __post_init__(self) -> None:
        check_positive("L2Softmax", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * similarity
