from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._angle import long_psi
from ._check import check_multiple, check_not_negative, check_positive
from ._margin import Geometry, Margin, Rows


@dataclass(frozen=True, eq=False)
class LSoftmax(Margin):
    """Large-margin softmax: the angle to the own class counts m times.

        t = s (lambda w_y . x + |w_y| |x| psi(theta_y)) / (1 + lambda),   o_j = s w_j . x
        psi(theta) = (-1)^k cos(m theta) - 2k  on  [k pi / m, (k + 1) pi / m]

    Trains only when lambda is annealed from large to small (`cones.training.Annealing` on `blend`).
    A row or feature of norm 0 has cosine 0.

    Args:
        margin: m, a whole number of at least 1; 1 is plain softmax.
        scale: s, above 0.
        blend: lambda, at least 0; 0 is the full margin, infinity would be softmax.

    Raises:
        ValueError: a field is out of its range.

    When to use: A closed set and a net that overfits under `Softmax`: the first of the margins, m = 2 to 4. It needs
    its lambda annealed; cosine losses are easier to train.

    Reference: Liu, Wen, Yu, Yang, "Large-Margin Softmax Loss for Convolutional Neural Networks", ICML 2016,
    arXiv 1612.02295, eqs. 4-6; lambda as in section 4 and the authors' layer.
    """

    features: ClassVar[Geometry] = "raw"
    weights: ClassVar[Geometry] = "raw"
    margin: int = 4
    scale: float | Tensor = 1.0
    blend: float = 0.0

    def __post_init__(self) -> None:
        check_multiple("LSoftmax", "margin", self.margin)
        check_positive("LSoftmax", "scale", self.scale)
        check_not_negative("LSoftmax", "blend", self.blend)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        length = rows.feature_norm * rows.weight_norm
        share = 1 / (1 + self.blend)
        return self.scale * (self.blend * share * similarity + share * long_psi(similarity, length, self.margin))
