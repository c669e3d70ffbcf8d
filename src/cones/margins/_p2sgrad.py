from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._margin import Combine, Margin, Rows


@dataclass(frozen=True, eq=False)
class P2SGrad(Margin):
    """P2SGrad: cosines pulled to 1 for the own class and to 0 for all others; nothing to choose.

        loss = sum_j (cos(theta_j) - delta_{jy})^2

    The paper gives no loss but a gradient, that of softmax with the probability replaced by the cosine: cos(theta_j)
    - delta_{jy} for the cosine of class j. The gradient of this loss is twice that, which the learning rate takes up.
    Eq. 11 was not at hand; its factor is as re-implementations quote it. They take the mean over the classes too, so
    that their gradient is smaller by the factor K.

    A bias would be added to the cosines that are pulled to 0 and 1. The paper has none, and a cosine with a bias is no
    cosine: leave `bias` off.

    When to use: To be free of scale and margin: the gradient of a cosine is its distance from 1 or 0. It needs a
    learning rate of its own.

    Reference: Zhang, Zhao, Yan, Gao, Qiao, Wang, Li, "P2SGrad: Refined Gradients for Optimizing Deep Face Models",
    CVPR 2019, arXiv 1905.02479, eq. 11.
    """

    combine: ClassVar[Combine] = "one-vs-all"

    @property
    def scale(self) -> float:
        """1: logits are cosines."""
        return 1.0

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return similarity

    def class_loss(self, logits: Tensor) -> Tensor:
        return logits**2

    def join(self, target: Tensor, rest: Tensor) -> Tensor:
        return (target - 1) ** 2 + rest
