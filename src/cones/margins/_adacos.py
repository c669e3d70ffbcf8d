import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ._margin import Margin, Rows

LEAST = math.log(2) / 2
"""The smallest scale: where the paper's own rule can come to rest for 3 classes, with all cosines to others at -1."""

MOST = 1e4
"""The largest: past it the rounding of a float32 cosine shows in the loss."""


@dataclass(frozen=True, eq=False)
class AdaCos(Margin):
    """AdaCos: no margin and no scale to choose; the scale follows the training.

        t = s cos(theta_y),   o_j = s cos(theta_j)
        s = sqrt(2) log(K - 1), fixed, or where it starts:
        s <- log(B_avg) / cos(min(pi / 4, theta_med)),   B_avg = mean_i sum_{j != y_i} exp(s cos(theta_ij))

    theta_med is the median angle of the batch to the own classes (the lower one of two); s is the running number
    "scale", renewed before the loss is taken, and has no gradient. B_avg sums over the classes of the step and
    includes a bias where there is one.

    log(K - 1) is 0 for 2 classes, so up to 3 classes start as 3 do. log(B_avg) falls to 0 and below where few classes
    are turned away from the features: with one other class it is s cos(theta), and the rule would shrink s to nothing
    or turn its sign. No s below log(2) / 2 is taken; for 3 classes and more the rule never comes to rest below that.
    No word of the paper on this was found.

    The paper has no public code of its authors. A well-known re-implementation keeps a margin in the code, takes the
    median over the angles to all classes, and loses s in its checkpoints.

    Args:
        dynamic: whether s follows the training; it is fixed otherwise.

    Raises:
        ValueError: dynamic is neither True nor False.

    When to use: No time to tune: there is no margin and no scale to set, the scale follows the training. A first run
    before `ArcFace` or `CosFace`.

    Reference: Zhang, Zhao, Qiao, Wang, Li, "AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep
    Face Representations", CVPR 2019, arXiv 1905.00292, eqs. 12 and 14.
    """

    dynamic: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.dynamic, bool):
            raise ValueError(f"AdaCos: dynamic is {self.dynamic!r}, expected True or False")

    @property
    def scale(self) -> float:
        """s as long as the number of classes is not known, that of 3 classes: sqrt(2) log(2)."""
        return _fixed_scale(3)

    def scale_with(self, statistics: Mapping[str, Tensor]) -> Tensor:
        return statistics["scale"]

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale_with(rows.statistics) * similarity

    def init_statistics(self, num_classes: int) -> dict[str, float]:
        return {"scale": _fixed_scale(num_classes)}

    def update_statistics(
        self, statistics: Mapping[str, Tensor], rows: Rows, rest: Callable[[], Tensor]
    ) -> dict[str, Tensor]:
        if not self.dynamic:
            return dict(statistics)
        log_average = rest().logsumexp(dim=0) - math.log(len(rows.label))
        # The lower median of the angles has the upper median of the cosines, and cos(min(pi / 4, theta)) is the larger
        # of the two cosines.
        cosine = -(-rows.similarity).median().clamp(-1, -math.sqrt(0.5))
        return {"scale": (log_average / cosine).clamp(LEAST, MOST)}


def _fixed_scale(num_classes: int) -> float:
    return math.sqrt(2) * math.log(max(num_classes, 3) - 1)
