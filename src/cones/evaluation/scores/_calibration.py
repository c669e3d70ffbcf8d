import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ._pairs import check_same

STEPS = 200


@dataclass(frozen=True)
class Calibration:
    """An affine map of scores to log-likelihood ratios, llr = slope * score + offset. See `calibrate`.

    Attributes:
        slope: a.
        offset: b.
        prior: the probability of a same pair that the fit was weighted for, in (0, 1).
        separable: whether no different pair scored above a same pair (or the reverse). The data then fix no slope.

    Raises:
        ValueError: a field is out of its range.
    """

    slope: float
    offset: float
    prior: float = 0.5
    separable: bool = False

    def __post_init__(self) -> None:
        for name in ("slope", "offset"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"Calibration: {name} is {getattr(self, name)}, expected a finite number")
        if not 0 < self.prior < 1:
            raise ValueError(f"Calibration: prior is {self.prior}, expected a number in (0, 1)")

    def llr(self, scores: Tensor) -> Tensor:
        """Log-likelihood ratios (P,), natural logarithms, float64, of scores (P,)."""
        return self.slope * scores.detach().to(torch.float64) + self.offset

    def __str__(self) -> str:
        note = "; the pairs were separable, the slope is bounded, not measured" if self.separable else ""
        return f"llr = {self.slope:.6g} * score + {self.offset:.6g}, fitted for a prior of {self.prior:g}{note}"


def calibrate(scores: Tensor, same: Tensor, prior: float = 0.5) -> Calibration:
    """Fit an affine map of scores to log-likelihood ratios by logistic regression weighted for a prior.

        min over a, b:  π mean_same log(1 + exp(-(a s + b + τ))) + (1-π) mean_different log(1 + exp(a s + b + τ)),
        τ = logit π

    With π = 1/2 that is C_llr / log2(e). The minimum is found by Newton's method in float64.

    Where the scores separate the pairs the minimum lies at an infinite slope. Then, and only then, Platt's targets
    stand in for 1 and 0: (P_same + 1) / (P_same + 2) and 1 / (P_different + 2), as if one more pair of each kind had
    come out as the other. The slope is then finite, `separable` is True, and a warning says so. Scores that are all
    the same have slope and offset 0.

    Args:
        scores: (P,) finite numbers.
        same: (P,) bool.
        prior: π, the probability of a same pair where errors matter most, in (0, 1).

    Returns:
        `Calibration`.

    Raises:
        ValueError: wrong shapes, scores that are not finite, pairs of one kind only, or prior out of its range.

    Reference: Brümmer, Burget, Černocký, Glembek, Grézl, Karafiát, van Leeuwen, Matějka, Schwarz, Strasheim, "Fusion
    of Heterogeneous Speaker Recognition Systems in the STBU Submission for the NIST Speaker Recognition Evaluation
    2006", IEEE TASLP 15(7), 2007. Targets: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.

    Example:
        >>> scores = torch.tensor([2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 0.0])
        >>> same = torch.tensor([True, True, True, False, False, False, True, False])
        >>> print(calibrate(scores, same))  # of scores 2, 3 in 4 are the same: llr = log 3; of scores 0 1 in 4
        llr = 1.09861 * score + -1.09861, fitted for a prior of 0.5
    """
    check_same(same, scores)
    if bool(scores.isinf().any()):
        place = int(scores.isinf().nonzero()[0])
        raise ValueError(f"scores[{place}] is {scores[place].item()}, expected a finite number")
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}, expected a number in (0, 1)")
    values = scores.detach().to(torch.float64)
    low, high = values.aminmax()
    if low == high:
        return Calibration(0.0, 0.0, prior)
    alike, apart = values[same], values[~same]
    separable = bool(alike.min() >= apart.max() or apart.min() >= alike.max())
    if separable:
        warnings.warn(
            f"the scores separate all {len(alike)} same from all {len(apart)} different pairs: no slope is best, and "
            "the one given is bounded by Platt's targets; calibrate on more or harder pairs",
            stacklevel=2,
        )
    truth = same.to(torch.float64)
    weights = truth * prior / len(alike) + (1 - truth) * (1 - prior) / len(apart)
    targets = truth
    if separable:
        targets = truth * (len(alike) + 1) / (len(alike) + 2) + (1 - truth) / (len(apart) + 2)
    middle, half = (low + high) / 2, (high - low) / 2
    slope, offset = _newton((values - middle) / half, targets, weights, math.log(prior / (1 - prior)))
    return Calibration(slope / half.item(), offset - slope * (middle / half).item(), prior, separable)


def _newton(s: Tensor, targets: Tensor, weights: Tensor, shift: float) -> tuple[float, float]:
    """Slope and offset of the weighted logistic regression of targets on s in -1..1, by damped Newton steps."""
    design = torch.stack([s, torch.ones_like(s)], dim=1)
    theta = s.new_zeros(2)

    def loss(theta: Tensor) -> float:
        z = design @ theta + shift
        return -(weights @ (targets * logsigmoid(z) + (1 - targets) * logsigmoid(-z))).item()

    now = loss(theta)
    for _ in range(STEPS):
        p = torch.sigmoid(design @ theta + shift)
        gradient = design.T @ (weights * (p - targets))
        hessian = design.T @ ((weights * p * (1 - p))[:, None] * design)
        # a ridge in the step alone: it keeps a flat valley solvable and moves no minimum
        step = torch.linalg.solve(hessian + 1e-14 * hessian.trace() * torch.eye(2).to(hessian), gradient)
        if gradient @ step <= 1e-18 * now:  # what is left to win is below rounding: one whole step more is the last
            slope, offset = (theta - step).tolist()
            return slope, offset
        length = 1.0
        while (after := loss(theta - length * step)) > now * (1 + 1e-15) and length > 1e-10:
            length /= 2
        theta, now = theta - length * step, after
    raise RuntimeError(f"calibration has not converged after {STEPS} Newton steps, at a loss of {now}")
