from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._check import check_positive
from ._margin import Geometry, Margin, Rows


@dataclass(frozen=True, eq=False)
class Softmax(Margin):
    """Plain softmax loss, no margin: the one to beat.

        t = s w_y . x,   o_j = s w_j . x        (+ b of the layer)

    Args:
        scale: s, above 0.

    Raises:
        ValueError: scale is not a finite number above 0.

    When to use: Start here: nothing to tune, and what every margin has to beat. It is enough where the classes at test
    time are those of training.

    Reference: Liu et al. 2016 (L-Softmax), arXiv 1612.02295, eq. 1, with the bias of the layer.
    """

    features: ClassVar[Geometry] = "raw"
    weights: ClassVar[Geometry] = "raw"
    scale: float | Tensor = 1.0

    def __post_init__(self) -> None:
        check_positive("Softmax", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * similarity
