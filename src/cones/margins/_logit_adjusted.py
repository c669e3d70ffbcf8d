from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ._check import check_counts, check_not_negative, check_positive
from ._margin import Geometry, Margin, Rows
from ._per_class import as_tuple, check_one_a_class


@dataclass(frozen=True, eq=False)
class LogitAdjusted(Margin):
    """Logit-adjusted softmax: class frequencies are added in training, so that the logits need not learn them.

        t = s w_y . x + tau log(pi_y),   o_j = s w_j . x + tau log(pi_j),   pi_j = n_j / sum_k n_k

    Between a rare class and a frequent one there is a margin of tau log(pi_j / pi_y). `Head.logits` predicts without
    the adjustment: as if all classes came equally often.

    Args:
        counts: n_j, a tuple of whole numbers of at least 1, one per class.
        temperature: tau, at least 0; 0 is plain softmax, 1 what the authors' code has.
        scale: s, above 0.

    Raises:
        ValueError: a field is out of its range; or, when used, counts does not have one number per class.

    When to use: Long-tailed training where every class counts the same at test time: the shares of the classes are
    added in training and left out in `head.logits`.

    Reference: Menon, Jayasumana, Rawat, Jain, Veit, Kumar, "Long-tail learning via logit adjustment", ICLR 2021,
    arXiv 2007.07314, the logit-adjusted softmax loss (the number of its equation could not be checked).
    """

    features: ClassVar[Geometry] = "raw"
    weights: ClassVar[Geometry] = "raw"
    counts: tuple[int, ...]
    temperature: float = 1.0
    scale: float | Tensor = 1.0

    def __post_init__(self) -> None:
        as_tuple(self, "counts")
        check_counts("LogitAdjusted", self.counts)
        check_not_negative("LogitAdjusted", "temperature", self.temperature)
        check_positive("LogitAdjusted", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * similarity

    def class_bias(self, num_classes: int) -> Tensor:
        check_one_a_class("LogitAdjusted", "counts", self.counts, num_classes)
        counts = torch.tensor(self.counts, dtype=torch.float64)
        return self.temperature * (counts / counts.sum()).log()

    def check(self, num_classes: int) -> None:
        check_one_a_class("LogitAdjusted", "counts", self.counts, num_classes)
