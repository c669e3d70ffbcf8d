import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ._check import check_not_negative, check_positive
from ._margin import Combine, Margin, Rows


@dataclass(frozen=True, eq=False)
class UniFace(Margin):
    """UniFace: one learnt threshold between all target similarities and all others.

        t = s (cos(theta_y) - m) - b,   o_j = s cos(theta_j) - b
        loss = softplus(-t) + lambda sum_{j != y} softplus(o_j)

    The unified cross entropy with a margin and a balance; b / s is the threshold in cosine units. The layer's bias is
    -b: Head(..., bias=True) starts it at -log(10 K), as the authors' code does; without, b is 0 for good. That code
    adds log(r) to b where only a share r of the classes is taken, as by `sample_rate`; here nothing is added
    (`normaliser="all"` sums over all classes). It also cuts t and o_j to within +-s, past which they have no gradient;
    here they are exact. The paper's text was not at hand, so defaults and formula are the code's.

    Args:
        margin: m, at least 0, in cosine units.
        scale: s, above 0.
        balance: lambda, above 0.

    Raises:
        ValueError: a field is out of its range.

    When to use: Verification by one threshold: a learnt bias has to part all own cosines from all others. Give the head
    `bias=True`.

    Reference: Zhou, Jia, Li, Shen, Duan, "UniFace: Unified Cross-Entropy Loss for Deep Face Recognition",
    IEEE/CVF ICCV 2023, pp. 20730-20739.
    """

    combine: ClassVar[Combine] = "one-vs-all"
    margin: float = 0.4
    scale: float | Tensor = 64.0
    balance: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("UniFace", "margin", self.margin)
        check_positive("UniFace", "scale", self.scale)
        check_positive("UniFace", "balance", self.balance)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * (similarity - self.margin)

    def class_loss(self, logits: Tensor) -> Tensor:
        return -self.balance * F.logsigmoid(-logits)

    def initial_bias(self, num_classes: int) -> float:
        return -math.log(10 * num_classes)
