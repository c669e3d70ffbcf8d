from dataclasses import dataclass

from torch import Tensor

from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class CircleLoss(Margin):
    """Circle loss with class labels: a similarity is pushed the harder the further it is from where it should be.

        t = g a_y (cos(theta_y) - (1 - m)),   a_y = max(1 + m - cos(theta_y), 0)
        o_j = g a_j (cos(theta_j) - m),       a_j = max(m + cos(theta_j), 0)

    The factors a are constants for the gradient: that is how the loss is defined, and what makes it different from
    one of squared cosines; `torch.autograd.gradcheck` fails by this definition. Defaults are the paper's for faces; for
    person re-identification it has g = 128.

    Args:
        margin: m, at least 0, in cosine units.
        scale: g (the paper's gamma), above 0.

    Raises:
        ValueError: a field is out of its range.

    When to use: Retrieval and re-identification, where some similarities are far from their goal and others nearly
    there: each is pulled in proportion.

    Reference: Sun, Cheng, Zhang, Zhang, Zheng, Wang, Wei, "Circle Loss: A Unified Perspective of Pair Similarity
    Optimization", CVPR 2020, arXiv 2002.10857, section 3.
    """

    margin: float = 0.25
    scale: float | Tensor = 256.0

    def __post_init__(self) -> None:
        check_not_negative("CircleLoss", "margin", self.margin)
        check_positive("CircleLoss", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        factor = (1 + self.margin - similarity.detach()).clamp(min=0)
        return self.scale * factor * (similarity - (1 - self.margin))

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        factor = (self.margin + similarity.detach()).clamp(min=0)
        return self.scale * factor * (similarity - self.margin)
