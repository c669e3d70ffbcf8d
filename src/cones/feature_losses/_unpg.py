import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..common.checks import check_not_negative, check_positive
from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction
from ..engine.checks import check_arguments
from ..engine.losses import target_and_rest
from ..engine.planner import MEMORY_BUDGET
from ..engine.reduction import reduce
from ..engine.step import EngineOptions, LocalClasses, Step
from ..margins import ArcFace, CosFace


@dataclass(frozen=True)
class UNPG:
    """Unified negative pair generation: the pairs of a batch join the other classes in every row's sum.

        L_i = log(1 + (sum_{j != y} exp(s cos(theta_ij)) + sum_{(a, b) kept} exp(s cos(x_a, x_b))) exp(-t_i))

    t is the target logit of ArcFace or CosFace. The pairs are those of two rows of different classes, each once, all of
    the batch for every row. Kept are the pairs within the whiskers of a box plot of their cosines,

        q_1 - r (q_3 - q_1) <= cos(x_a, x_b) <= q_3 + r (q_3 - q_1),

    which leaves out what is likely labelled wrongly, or too easy. Gradients flow into both rows of each kept pair;
    which pairs are kept is not differentiated. q_1 and q_3 are the cosines at a quarter and at three quarters of the
    sorted ones, as in the authors' code, without interpolation; the paper's own definition could not be checked.

    This is a whole loss: it takes the place of a margin-softmax loss, on the same weight. Takes a few arrays of N x N.

    Args:
        margin: m of the target, at least 0; in radians for "arc", in cosine units for "cos".
        scale: s, above 0.
        kind: "arc" for ArcFace (tail "smooth"), "cos" for CosFace.
        whisker: r, at least 0; None keeps all pairs.

    Raises:
        ValueError: a field is out of its range.

    When to use: Features that will be compared with each other, and large batches: pairs of different classes in the
    batch join the negatives.

    Reference: Jung, Lee, Oh, Park, Park, Son, "Unified Negative Pair Generation toward Well-discriminative Feature
    Space for Face Recognition", 2022, arXiv 2203.11593; m, s and r as in the authors' settings.

    Example:
        >>> x = torch.eye(2)                           # cosine 1 to the own class, 0 to the other, 0 between the two
        >>> loss = UNPG(margin=0.0, scale=1.0)(x, x, torch.tensor([0, 1]))
        >>> torch.isclose(loss, torch.tensor(1 + 2 / torch.e).log())
        tensor(True)
    """

    margin: float = 0.5
    scale: float = 64.0
    kind: Literal["arc", "cos"] = "arc"
    whisker: float | None = 1.5

    def __post_init__(self) -> None:
        if self.kind not in ("arc", "cos"):
            raise ValueError(f"UNPG: kind is {self.kind!r}, expected 'arc' or 'cos'")
        check_not_negative("UNPG: margin", self.margin)
        check_positive("UNPG: scale", self.scale)
        if self.whisker is not None and not 0 <= self.whisker < math.inf:
            raise ValueError(f"UNPG: whisker is {self.whisker!r}, expected a finite number of at least 0, or None")

    def __call__(self, features: Tensor, weight: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of the rows.

        Args:
            features: (N, D), any floating dtype.
            weight: (K, D), rows are classes.
            labels: (N,) integers in 0..K-1.
            reduction: "none", "mean" or "sum".

        Returns:
            (N,), or reduced to 0-dim; float32 or float64.

        Raises:
            TypeError, ValueError: dtypes, shapes, labels or reduction are wrong.
        """
        margin = (ArcFace if self.kind == "arc" else CosFace)(self.margin, self.scale)
        check_arguments(features, weight, labels, margin, None)
        labels = labels.long()
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(working_dtype(features, weight))
            classes = LocalClasses(weight, bias=None, subcenters=1, local_labels=labels, ranks=None)
            options = EngineOptions(MEMORY_BUDGET, compute_dtype=None)
            terms = target_and_rest(features, Step(labels, margin, classes, {}, options))
            pairs = self._kept(negative_cosines(direction(features)[0], labels))
            rest = terms.rest
            if len(pairs):  # without any, and K = 1, there is nothing to add up
                rest = torch.logaddexp(rest, (self.scale * pairs).logsumexp(dim=0).to(rest.dtype))
            return reduce(margin.join(terms.target, rest).to(features.dtype), reduction)

    def _kept(self, cosines: Tensor) -> Tensor:
        """The cosines (P,) within the whiskers."""
        if self.whisker is None or len(cosines) == 0:
            return cosines
        values = cosines.detach()
        low, high = (values.kthvalue(len(values) * quarters // 4 + 1).values for quarters in (1, 3))
        reach = self.whisker * (high - low)
        return cosines[(values >= low - reach) & (values <= high + reach)]


def negative_cosines(unit: Tensor, labels: Tensor) -> Tensor:
    """Cosines (P,) of the pairs of directions (N, D) that have different labels, each pair once."""
    return (unit @ unit.T)[(labels[:, None] != labels).triu(1)]
