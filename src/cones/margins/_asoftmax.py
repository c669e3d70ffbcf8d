from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._angle import long_psi
from ._check import check_multiple, check_not_negative, check_positive
from ._margin import Geometry, Margin, Rows


@dataclass(frozen=True, eq=False)
class ASoftmax(Margin):
    """A-Softmax of SphereFace: L-Softmax with the class weights on the unit sphere.

        t = s |x| (lambda cos(theta_y) + psi(theta_y)) / (1 + lambda),   o_j = s |x| cos(theta_j)
        psi(theta) = (-1)^k cos(m theta) - 2k  on  [k pi / m, (k + 1) pi / m]

    The gradient is the true one; the authors' layer rescales its own. Trains only when lambda is annealed
    (`cones.training.Annealing` on `blend`). A feature of norm 0 has cosine 0.

    Args:
        margin: m, a whole number of at least 1; 1 is the modified softmax of the paper.
        scale: s, above 0.
        blend: lambda, at least 0; the authors stop at 5, where a sixth of the margin is in force.

    Raises:
        ValueError: a field is out of its range.

    When to use: Features compared by angle while their norms stay free. It needs its lambda annealed; `SphereFaceR` is
    the later form on normalised features.

    Reference: Liu, Wen, Yu, Li, Raj, Song, "SphereFace: Deep Hypersphere Embedding for Face Recognition",
    CVPR 2017, arXiv 1704.08063, section 3.
    """

    features: ClassVar[Geometry] = "raw"
    weights: ClassVar[Geometry] = "unit"
    margin: int = 4
    scale: float | Tensor = 1.0
    blend: float = 0.0

    def __post_init__(self) -> None:
        check_multiple("ASoftmax", "margin", self.margin)
        check_positive("ASoftmax", "scale", self.scale)
        check_not_negative("ASoftmax", "blend", self.blend)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        length = rows.feature_norm
        # a weight row of norm 0 has no direction: similarity, and with it the cosine, is 0
        share = 1 / (1 + self.blend)
        return self.scale * (self.blend * share * similarity + share * long_psi(similarity, length, self.margin))
