from dataclasses import dataclass

from torch import Tensor

from ._check import check_counts, check_not_negative, check_positive
from ._margin import Margin, Rows
from ._per_class import as_tuple, check_one_a_class, of_rows


@dataclass(frozen=True, eq=False)
class LDAM(Margin):
    """Label-distribution-aware margin: the rarer the class, the larger the margin subtracted from its cosine.

        t = s (cos(theta_y) - m_y),   o_j = s cos(theta_j),   m_y = m (n_min / n_y)^(1/4)

    n_j is the number of samples of class j, n_min the smallest of them. The paper's constant C is m n_min^(1/4), so
    that the rarest class has margin m, as in the authors' code; so are the defaults. The paper weighs the classes too,
    late in training: that is `Head(class_weights=...)`.

    Args:
        counts: n_j, a tuple of whole numbers of at least 1, one per class.
        margin: m, at least 0, in cosine units.
        scale: s, above 0.

    Raises:
        ValueError: a field is out of its range; or, when used, counts does not have one number per class.

    When to use: Long-tailed classes: the rarer, the larger the margin. The authors also weigh rare classes up late in
    training (`class_weights` of the head).

    Reference: Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
    Loss", NeurIPS 2019, arXiv 1906.07413, eqs. 12 and 13 (their numbers are from secondary sources).
    """

    counts: tuple[int, ...]
    margin: float = 0.5
    scale: float | Tensor = 30.0

    def __post_init__(self) -> None:
        as_tuple(self, "counts")
        check_counts("LDAM", self.counts)
        check_not_negative("LDAM", "margin", self.margin)
        check_positive("LDAM", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        share = min(self.counts) / of_rows(self.counts, rows)
        return self.scale * (similarity - self.margin * share**0.25)

    def check(self, num_classes: int) -> None:
        check_one_a_class("LDAM", "counts", self.counts, num_classes)
