from dataclasses import dataclass

from torch import Tensor

from ._check import check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class COCO(Margin):
    """Congenerous cosine loss with learnt centroids (the paper's second version).

        t = s cos(theta_y),   o_j = s cos(theta_j)

    The same function as NormFace; what differs is the reading (rows of W are class centroids) and the fixed
    scale, to be at least log((K - 1) / (e^eps - 1)) / 2 for a loss of eps.

    Args:
        scale: s, above 0.

    Raises:
        ValueError: scale is not a finite number above 0.

    When to use: As `NormFace`, which is the same function, with the scale chosen for the number of classes beforehand.

    Reference: Liu, Li, Wang, "Rethinking Feature Discrimination and Polymerization for Large-scale Recognition",
    arXiv 1710.00870 (its gradient corrects that of arXiv 1702.06890).
    """

    scale: float | Tensor = 6.25

    def __post_init__(self) -> None:
        check_positive("COCO", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * similarity
