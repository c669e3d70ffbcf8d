from dataclasses import dataclass

from torch import Tensor

from ._check import check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class NormFace(Margin):
    """NormFace: both features and class weights on the unit sphere, the cosine times a scale.

        t = s cos(theta_y),   o_j = s cos(theta_j)

    With both norms gone only the scale says how sure the softmax may become: no loss below
    log(1 + (K - 1) exp(-s K / (K - 1))) can be reached (Prop. 2).

    Args:
        scale: s, above 0.

    Raises:
        ValueError: scale is not a finite number above 0.

    When to use: Features compared by cosine, without a margin: the baseline of the cosine losses, and a mild one for
    fine-tuning.

    Reference: Wang, Xiang, Cheng, Yuille, "NormFace: L2 Hypersphere Embedding for Face Verification", ACM MM 2017,
    arXiv 1704.06369, eq. 6; scale 20-30 in section 3.3.
    """

    scale: float | Tensor = 20.0

    def __post_init__(self) -> None:
        check_positive("NormFace", "scale", self.scale)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * similarity
