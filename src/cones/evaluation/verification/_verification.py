from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._arrays import Array, as_tensor
from ._check import check_scores
from ._distances import warn_of_distances
from ._figures import area, detection_costs, equal_error_rate, place_at_far, place_of_equal_error
from ._points import OperatingPoints, points_of
from .settings import VerificationSettings


@dataclass(frozen=True)
class TarAtFar:
    """The operating point at an asked false accept rate; None throughout where it is refused.

    Attributes:
        far: the rate asked for.
        tar: the largest true accept rate whose false accept rate is at most `far`.
        frr: 1 - tar.
        reached: the false accept rate there, at most `far`.
        threshold: midway between the lowest score that is accepted there and the next lower one; inf where none is
            accepted, -inf where all are.
    """

    far: float
    tar: float | None = None
    frr: float | None = None
    reached: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Verification:
    """The figures that `verification` returns; print it for a table. A pair is accepted when score >= threshold.

    Attributes:
        genuine: number of pairs of one subject.
        impostors: number of pairs of two subjects.
        tar: a `TarAtFar` for each rate asked for, in that order.
        eer: equal error rate, where the straight lines between neighbouring points (FAR, FRR) cross FAR = FRR.
        eer_threshold: of the two points beside the crossing, the threshold with the smaller max(FAR, FRR).
        auc: P(genuine > impostor) + 1/2 P(genuine = impostor).
        min_dcf: least detection cost over all thresholds; 1 is the better of accepting nothing and all.
        min_dcf_threshold: the highest threshold with this cost.
        refused: why a figure is None, by its name: "eer", "auc", "min_dcf", "tar@0.001".
        auc_error: auc is right to this bound; 0 where every score was kept. All else is always exact.
        zero_rows: embeddings that are 0, whose cosine is 0 with everything; not compared by ==.
    """

    genuine: int
    impostors: int
    tar: tuple[TarAtFar, ...]
    eer: float | None
    eer_threshold: float | None
    auc: float | None
    min_dcf: float | None
    min_dcf_threshold: float | None
    refused: Mapping[str, str]
    auc_error: float = 0.0
    zero_rows: int = field(default=0, compare=False)

    def __str__(self) -> str:
        lines = [("genuine pairs", str(self.genuine)), ("impostor pairs", str(self.impostors))]
        lines += [(f"TAR at FAR {t.far:g}", self._said(rate_key(t.far), t.tar, t.threshold)) for t in self.tar]
        lines.append(("EER", self._said("eer", self.eer, self.eer_threshold)))
        lines.append(("AUC", self._said("auc", self.auc, None)))
        lines.append(("minDCF", self._said("min_dcf", self.min_dcf, self.min_dcf_threshold)))
        if self.zero_rows:
            lines.append(("zero rows", f"{self.zero_rows}, of cosine 0 with everything"))
        return "\n".join(f"{name:<18} {value}" for name, value in lines)

    def _said(self, key: str, value: float | None, threshold: float | None) -> str:
        if value is None:
            return f"n/a: {self.refused[key]}"
        return f"{value:.6g}" if threshold is None else f"{value:.6g} at threshold {threshold:.6g}"


def verification(
    scores: Array,
    same: Array,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    *,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
) -> Verification:
    """Say how well scores tell pairs of one subject from pairs of two, exactly at every distinct score.

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
        far: the false accept rates asked for, each in [0, 1].
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
        >>> found = verification(scores, same, far=(0.1, 0.25), min_pairs=3)
        >>> print(found)
        genuine pairs      3
        impostor pairs     4
        TAR at FAR 0.1     n/a: 4 impostor pairs count rates of 0.25 at the least
        TAR at FAR 0.25    1 at threshold 0.45
        EER                0.25 at threshold 0.45
        AUC                0.916667
        minDCF             0.333333 at threshold 0.75
    """
    scores, same = as_tensor("scores", scores), as_tensor("same", same)
    check_scores(scores, same)
    points = points_of(scores, same)
    warn_of_distances(points, stacklevel=2)
    return figures(points, VerificationSettings(far, p_target, costs, min_pairs))


def figures(points: OperatingPoints, asked: VerificationSettings, auc_error: float = 0.0) -> Verification:
    """All figures of the points, or the reasons why not."""
    genuine, impostors = int(points.genuine[-1]), int(points.impostors[-1])
    few = _few(genuine, impostors, asked.min_pairs)
    if few is not None:
        names = [*map(rate_key, asked.far), "eer", "auc", "min_dcf"]
        none = tuple(TarAtFar(rate) for rate in asked.far)
        return Verification(genuine, impostors, none, None, None, None, None, None, dict.fromkeys(names, few))
    cost = detection_costs(points.far, points.frr, asked)
    cheapest = int(cost.argmin())
    return Verification(
        genuine=genuine,
        impostors=impostors,
        tar=tuple(_tar(points, rate) for rate in asked.far),
        eer=equal_error_rate(points),
        eer_threshold=points.threshold_at(place_of_equal_error(points)),
        auc=area(points),
        min_dcf=cost[cheapest].item(),
        min_dcf_threshold=points.threshold_at(cheapest),
        refused={rate_key(rate): why for rate in asked.far if (why := too_low(rate, impostors)) is not None},
        auc_error=auc_error,
    )


def rate_key(far: float) -> str:
    """What a rate's figure is called in `refused`."""
    return f"tar@{far:g}"


def too_low(far: float, impostors: int) -> str | None:
    """Why a rate cannot be counted with so many impostor pairs; None where it can."""
    if far >= 1 / impostors:
        return None
    return f"{impostors} impostor pairs count rates of {1 / impostors:.3g} at the least"


def _few(genuine: int, impostors: int, min_pairs: int) -> str | None:
    for count, kind in (genuine, "genuine"), (impostors, "impostor"):
        if count < min_pairs:
            return f"{count} {kind} pairs are too few, at least {min_pairs} are needed"
    return None


def _tar(points: OperatingPoints, far: float) -> TarAtFar:
    if too_low(far, int(points.impostors[-1])) is not None:
        return TarAtFar(far)
    place = place_at_far(points, far)
    tar, frr, reached = (values[place].item() for values in (points.tar, points.frr, points.far))
    return TarAtFar(far, tar, frr, reached, points.threshold_at(place))
