from dataclasses import dataclass

import torch
from torch import Tensor

from ._check import check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class LMSoftmax(Margin):
    """LM-Softmax, the largest margin softmax: the own class is left out of the sum.

        loss = 1 / s log sum_{j != y} exp(s (cos(theta_j) - cos(theta_y)))

    No cross entropy: the loss goes on falling below 0, to -2 + log(K - 1) / s at least, where softmax would be content.
    With two classes it is cos(theta_j) - cos(theta_y), with one 0. A class bias b counts as b / s of a cosine. The
    formula and the default are those of public re-implementations; the paper's text could not be read.

    Args:
        scale: s, above 0.

    Raises:
        ValueError: scale is out of its range.

    When to use: When rows that are right should still be pulled: the own class is left out of the sum, so that the
    gradient does not fade. Its value may be below 0.

    Reference: Zhou, Liu, Zhai, Jiang, Gao, Ji, "Learning Towards the Largest Margins", ICLR 2022, arXiv 2206.11589.
    """

    scale: float | Tensor = 64.0

    def __post_init__(self) -> None:
        check_positive("LMSoftmax", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * similarity

    def join(self, target: Tensor, rest: Tensor) -> Tensor:
        alone = rest == -torch.inf
        return torch.where(alone, 0, torch.where(alone, 0, rest) - target) / self.scale
