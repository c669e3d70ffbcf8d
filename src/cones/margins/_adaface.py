import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ._angle import shifted_cosine
from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows

SHORTEST, LONGEST = 1e-3, 100.0
"""Feature norms are taken to be within these, as in the authors' code."""


@dataclass(frozen=True, eq=False)
class AdaFace(Margin):
    """AdaFace: long features, from good images, get their margin where they are hard; short ones where they are easy.

        z = clip(h (|x| - mu) / (sigma + epsilon), -1, 1)
        t = s (cos(clip(theta_y - m z, epsilon, pi - epsilon)) - m - m z),   o_j = s cos(theta_j)

    The feature norm tells the quality of an image and is not differentiated: that is the loss's definition, by which
    `torch.autograd.gradcheck` with respect to features fails. z = -1 is ArcFace, z = 0 CosFace. mu and sigma are
    running numbers, "mean" and "std", renewed before the loss is taken: mu <- momentum * batch mean + (1 - momentum) *
    mu, the standard deviation with N - 1; a batch of one row changes neither. They start at 20 and 100. Norms count as
    within [0.001, 100].

    The paper prints eq. 18 without the bracket around the cosine and the subtracted margin, which its authors put
    right later, and has no clips but that of z. It says 0.99 for the momentum; the code's configuration has 0.01 as
    the weight of the new batch, its layer 1.0 (no memory at all). Clips, epsilon and starts are those of the code.
    The code also cuts all cosines, of the other classes too, to within +-0.999, which takes away the gradient there;
    here they are exact. Over several processes it takes each one's own mean and deviation; here those of all rows.

    Args:
        margin: m, at least 0, in radians inside the cosine and in cosine units outside.
        scale: s, above 0.
        concentration: h, at least 0; at 0.333 two thirds of normally distributed norms have z within a third.
        momentum: weight of the new batch in the running numbers, in [0, 1].
        epsilon: above 0 and below pi / 2; in radians where it bounds the angle, in units of the norm beside sigma.

    Raises:
        ValueError: a field is out of its range.

    When to use: Images of mixed quality. The norm of a feature stands for the quality of its image: hard rows count
    more where the image is good, and less where nothing can be seen in it.

    Reference: Kim, Jain, Liu, "AdaFace: Quality Adaptive Margin for Face Recognition", CVPR 2022, arXiv 2204.00964,
    eq. 18.
    """

    angles: ClassVar[tuple[str, ...]] = ("margin",)
    margin: float = 0.4
    scale: float | Tensor = 64.0
    concentration: float = 0.333
    momentum: float = 0.01
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        check_not_negative("AdaFace", "margin", self.margin)
        check_positive("AdaFace", "scale", self.scale)
        check_not_negative("AdaFace", "concentration", self.concentration)
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"AdaFace: momentum is {self.momentum!r}, expected a number in [0, 1]")
        if not 0 < self.epsilon < math.pi / 2:
            raise ValueError(f"AdaFace: epsilon is {self.epsilon!r}, expected a number above 0 and below pi / 2")

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        shift = self.margin * self._quality(rows)
        cosine = shifted_cosine(similarity, 1.0, -shift, fold=False)
        angle = similarity.detach().clamp(-1, 1).acos() - shift
        bound = math.cos(self.epsilon)
        cosine = torch.where(angle < self.epsilon, bound, cosine)
        cosine = torch.where(angle > math.pi - self.epsilon, -bound, cosine)
        return self.scale * (cosine - self.margin - shift)

    def init_statistics(self, num_classes: int) -> dict[str, float]:
        return {"mean": 20.0, "std": 100.0}

    def update_statistics(
        self, statistics: Mapping[str, Tensor], rows: Rows, rest: Callable[[], Tensor]
    ) -> dict[str, Tensor]:
        norm = rows.feature_norm.clamp(SHORTEST, LONGEST)
        if len(norm) < 2:
            return dict(statistics)
        batch = {"mean": norm.mean(), "std": norm.std()}
        return {name: self.momentum * batch[name] + (1 - self.momentum) * old for name, old in statistics.items()}

    def _quality(self, rows: Rows) -> Tensor:
        """z (N,)."""
        norm = rows.feature_norm.detach().clamp(SHORTEST, LONGEST)
        mean, std = rows.statistics["mean"], rows.statistics["std"]
        return (self.concentration * (norm - mean) / (std + self.epsilon)).clamp(-1, 1)
