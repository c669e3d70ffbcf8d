import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .._arrays import Array, as_tensor
from .._checks import check_bounded, scored_pairs_of_both_kinds

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

    def llr(self, scores: Array) -> Tensor:
        """Log-likelihood ratios (P,), natural logarithms, float64, of scores (P,)."""
        return self.slope * as_tensor("scores", scores).detach().to(torch.float64) + self.offset

    def __str__(self) -> str:
        note = "; the pairs were separable, the slope is bounded, not measured" if self.separable else ""
        return f"llr = {self.slope:.6g} * score + {self.offset:.6g}, fitted for a prior of {self.prior:g}{note}"


def calibrate(scores: Array, same: Array, prior: float = 0.5) -> Calibration:
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
        RuntimeError: no convergence, seen only with a prior of 1e-6 or its like and one score millions of times as far
            off as the rest are spread.

    Reference: Brümmer, Burget, Černocký, Glembek, Grézl, Karafiát, van Leeuwen, Matějka, Schwarz, Strasheim, "Fusion
    of Heterogeneous Speaker Recognition Systems in the STBU Submission for the NIST Speaker Recognition Evaluation
    2006", IEEE TASLP 15(7), 2007. Targets: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.

    Example:
        >>> scores = torch.tensor([2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 0.0])
        >>> same = torch.tensor([True, True, True, False, False, False, True, False])
        >>> print(calibrate(scores, same))  # of scores 2, 3 in 4 are the same: llr = log 3; of scores 0 1 in 4
        llr = 1.09861 * score + -1.09861, fitted for a prior of 0.5
    """
    scores, same = scored_pairs_of_both_kinds(scores, same)
    check_bounded(scores)
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
    targets = truth
    if separable:
        targets = truth * (len(alike) + 1) / (len(alike) + 2) + (1 - truth) / (len(apart) + 2)
    middle, half = values.median(), (high - low) / 2
    slope = offset = 0.0
    for weighted_for in (0.5, prior):  # from the even prior, where 0 is near, to the requested one
        weights = truth * weighted_for / len(alike) + (1 - truth) * (1 - weighted_for) / len(apart)
        shift = math.log(weighted_for / (1 - weighted_for))
        slope, offset = _newton((values - middle) / half, targets, weights, shift, slope, offset)
    return Calibration(slope / half.item(), offset - slope * (middle / half).item(), prior, separable)


def _newton(
    s: Tensor, targets: Tensor, weights: Tensor, shift: float, slope: float, offset: float
) -> tuple[float, float]:
    """Slope and offset of the weighted logistic regression of targets on s, by Newton steps from those given.

    Where a whole step gains less than predicted, the better of two that never ascend is taken: a part of it (Sun,
    Tran-Dinh 2019), and the step to the minimum of a quadratic bound of the loss (Jaakkola, Jordan 2000).
    """

    def loss(slope: float, offset: float) -> float:
        z = slope * s + offset + shift
        return -(weights @ (targets * logsigmoid(z) + (1 - targets) * logsigmoid(-z))).item()

    now, last = loss(slope, offset), math.inf
    for _ in range(STEPS):
        z = slope * s + offset + shift
        p = torch.sigmoid(z)
        residual = weights * (p - targets)
        d_slope, d_offset, gain = _step(s, residual, weights * p * torch.sigmoid(-z))
        stalled = gain <= 1e-14 * now and gain > last / 4  # near a minimum it falls far faster, until rounding is left
        if gain <= 1e-18 * now or stalled:
            return slope - d_slope, offset - d_offset
        last = gain
        after = loss(slope - d_slope, offset - d_offset)
        if not after <= now * (1 + 1e-15) - 0.4 * gain:
            far = (d_slope * s + d_offset).abs().max().item()
            length = math.log1p(far) / far
            bound = torch.where(z == 0, 0.25, (p - 0.5) / torch.where(z == 0, 1, z))
            steps = [(length * d_slope, length * d_offset), _step(s, residual, weights * bound)[:2]]
            tried = [(loss(slope - a, offset - b), a, b) for a, b in steps if math.isfinite(a + b)]
            after, d_slope, d_offset = min(tried)
            if after >= now:  # the predicted gain of the whole step is rounding
                return slope, offset
        slope, offset, now = slope - d_slope, offset - d_offset, after
    raise RuntimeError(f"calibration has not converged after {STEPS} Newton steps, at a loss of {now}")


def _step(s: Tensor, residual: Tensor, curvature: Tensor) -> tuple[float, float, float]:
    """Steps of slope and offset to the minimum of a quadratic, and twice their gain.

    About the mean of s under the curvature the Hessian is diagonal: a score far off all others, which would leave the
    2 x 2 system without digits, does no harm.
    """
    mass = curvature.sum()
    middle = curvature @ s / mass
    centred = s - middle
    spread = curvature @ centred.square()
    slope, level = residual @ centred / spread, residual.sum() / mass
    gain = (residual @ centred) * slope + residual.sum() * level
    return slope.item(), (level - slope * middle).item(), gain.item()
