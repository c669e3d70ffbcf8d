import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ._angle import shifted_cosine
from ._check import check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class SphereFaceR(Margin):
    """SphereFace-R: SphereFace's multiple of the angle, any number, on a unit sphere with a fixed scale.

        version 0:  t = s psi(theta_y),               o_j = s cos(theta_j)
        version 1:  t = s cos(min(m theta_y, pi)),    o_j = s cos(theta_j)
        version 2:  t = s cos(theta_y),               o_j = s cos(theta_j / m)
        psi(theta) = (-1)^k cos(m theta) - 2k,   k = floor(m theta / pi), at most ceil(m) - 1

    Version 0 is SphereFace's own monotone psi with a real m, 1 and 2 are the paper's two ways without it: one stops
    at pi, where its gradient is 0, the other shrinks the angles to the other classes instead. Versions are numbered as
    in the authors' code, whose default is 0; margin and scale are those of its SphereFace (1.5 and 30, or 1.4 and 60
    with version 2, of its SphereFace-R). That code multiplies the loss by 50 / s, normalises W in place, and
    back-propagates straight through. It alone could be read, not the paper, nor its variants without a fixed scale.

    Args:
        margin: m, at least 1; 1 is NormFace.
        scale: s, above 0.
        version: 0, 1 or 2, as above.
        straight_through: back-propagate as if every logit were s cos(theta), the paper's characteristic gradient
            detachment. Off: the true gradient.

    Raises:
        ValueError: a field is out of its range.

    When to use: A margin that grows with the angle, as that of `ASoftmax`, on normalised features and for any real m.

    Reference: Liu, Wen, Raj, Singh, Weller, "SphereFace Revived: Unifying Hyperspherical Face Recognition",
    IEEE TPAMI 2022, arXiv 2109.05565.
    """

    margin: float = 1.7
    scale: float | Tensor = 30.0
    version: Literal[0, 1, 2] = 0
    straight_through: bool = False

    def __post_init__(self) -> None:
        check_positive("SphereFaceR", "margin", self.margin)
        if self.margin < 1:
            raise ValueError(f"SphereFaceR: margin is {self.margin}, expected a number of at least 1")
        check_positive("SphereFaceR", "scale", self.scale)
        if self.version not in (0, 1, 2):
            raise ValueError(f"SphereFaceR: version is {self.version!r}, expected 0, 1 or 2")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        if self.version == 2:
            return self.scale * similarity
        cosine = shifted_cosine(similarity, self.margin, fold=self.version == 0)
        if self.version == 1:
            cosine = torch.where(similarity < math.cos(math.pi / self.margin), -1.0, cosine)
        return self.scale * self._through(similarity, cosine)

    @property
    def bends(self) -> bool:
        return self.version == 2

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        if not self.bends:
            return self.scale * similarity
        return self.scale * self._through(similarity, shifted_cosine(similarity, 1 / self.margin))

    def _through(self, similarity: Tensor, cosine: Tensor) -> Tensor:
        return similarity + (cosine - similarity).detach() if self.straight_through else cosine
