from collections.abc import Sequence

from .._arrays import Array
from .._checks import scored_pairs
from ._distances import warn_of_distances
from ._figures import Verification, verification_of
from ._points import points_of
from ._settings import VerificationSettings


def verification(
    scores: Array,
    same: Array,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    *,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
) -> Verification:
    """Measure how well scores separate pairs of one subject from pairs of two, exactly at every distinct score.

        FAR(t) = #{impostors >= t} / #impostors,   FRR(t) = #{genuine < t} / #genuine
        TAR at FAR f = max {1 - FRR(t) : FAR(t) <= f},   EER: FAR = FRR
        minDCF = min_t (C_miss p FRR(t) + C_fa (1 - p) FAR(t)) / min(C_miss p, C_fa (1 - p))

    A pair is accepted when score >= threshold, so pairs of equal score go together. There is no grid: a threshold is
    sought between each two neighbouring scores, above all and below all. The one that is reported lies halfway between
    the lowest score that it accepts and the next lower one, so that rounding moves no pair across: counting the
    scores at or above it gives the reported rates.

    A figure that the pairs cannot carry is None, with the reason in `refused`: TAR where f < 1/#impostors, since
    no such rate can be counted; every figure with fewer than `min_pairs` genuine or impostor pairs.

    Args:
        scores: (N,), higher for pairs that are more alike, any unit; thresholds come back in it.
        same: (N,) bool, true where both ends of a pair are of one subject.
        far: the requested false accept rates, each in [0, 1].
        p_target: p, the prior of a genuine pair.
        costs: C_miss and C_fa, of a genuine pair rejected and of an impostor pair accepted.
        min_pairs: fewer genuine or impostor pairs than this carry no rate; with 10, a rate moves in tenths.

    Returns:
        `Verification`.

    Raises:
        ValueError: for shapes or types that do not fit, NaN (with its position), or a setting out of range.

    Reference: ISO/IEC 19795-1, false accept and false reject rates; NIST, "2016 Speaker Recognition Evaluation Plan",
    normalised detection cost; Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.

    Example:
        >>> import torch
        >>> scores = torch.tensor([0.9, 0.8, 0.6, 0.7, 0.3, 0.2, 0.1])
        >>> same = torch.tensor([True, True, True, False, False, False, False])
        >>> v = verification(scores, same, far=(0.1, 0.25), min_pairs=3)
        >>> print(v)
        genuine pairs      3
        impostor pairs     4
        TAR at FAR 0.1     n/a: 4 impostor pairs count rates of 0.25 at the least
        TAR at FAR 0.25    100.00 % at threshold 0.45
        EER                25.00 % at threshold 0.45
        AUC                0.9167
        minDCF             0.3333 at threshold 0.75
    """
    scores, same = scored_pairs(scores, same)
    points = points_of(scores, same)
    warn_of_distances(points, stacklevel=2)
    return verification_of(points, VerificationSettings(far, p_target, costs, min_pairs))
