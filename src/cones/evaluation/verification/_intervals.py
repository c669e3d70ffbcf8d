from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .._arrays import Array, as_labels, as_tensor, strangers_apart
from ..progress import Progress, silent
from ._check import check_integers, check_scores
from ._distances import warn_of_scores
from ._draws import multiplicities
from ._figures import area, detection_costs, equal_error_rate, place_at_far
from ._points import OperatingPoints, falling, points_of
from ._verification import Verification, figures, rate_key
from .settings import VerificationSettings

Interval = tuple[float, float]
"""Low and high end."""


@dataclass(frozen=True)
class VerificationIntervals:
    """What `verification_intervals` returns; print it for a table.

    Attributes:
        confidence: the share of samples in which an interval should hold the true figure.
        resampled: "subjects", or "pairs" where the subjects are not known.
        resamples: how many the intervals come from; those without one kind of pairs are left out.
        figures: the figures themselves, of all pairs.
        tar: an interval of TAR at each rate asked for, None where the figure is refused or too many pairs decide it.
        eer, auc, min_dcf: an interval each, None as above.
    """

    confidence: float
    resampled: str
    resamples: int
    figures: Verification
    tar: tuple[Interval | None, ...]
    eer: Interval | None
    auc: Interval | None
    min_dcf: Interval | None

    def __str__(self) -> str:
        refused = self.figures.refused
        rows = [
            (f"TAR at FAR {t.far:g}", t.tar, i, rate_key(t.far))
            for t, i in zip(self.figures.tar, self.tar, strict=True)
        ]
        rows.append(("EER", self.figures.eer, self.eer, "eer"))
        rows.append(("AUC", self.figures.auc, self.auc, "auc"))
        rows.append(("minDCF", self.figures.min_dcf, self.min_dcf, "min_dcf"))
        lines = [f"{name:<18} {_said(value, interval, refused, key)}" for name, value, interval, key in rows]
        return "\n".join([f"{self.confidence:.0%} intervals, {self.resamples} resamples of {self.resampled}", *lines])


def verification_intervals(
    scores: Array,
    same: Array,
    subjects: Array | None = None,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    *,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> VerificationIntervals:
    """Percentile bootstrap intervals of the figures of `verification`, by subject.

        w(a, b) = m_a m_b for an impostor pair,   w(a, a) = m_a for a genuine pair

    The S subjects are drawn S times with replacement; m_s is how often s came. A subject that came twice stands for
    two, so an impostor pair is there m_a m_b times and a genuine pair m_a times: pairs across two copies of one
    subject would be neither. Pairs of one subject are not independent, so intervals that resample pairs are too
    narrow. Without `subjects` that is still done, for want of better, and said in `resampled`.

    Args:
        scores: (N,), higher for pairs that are more alike, any unit.
        same: (N,) bool, true where both ends of a pair are of one subject.
        subjects: (N, 2) integers or text, the subjects of both ends of each pair; -1 for one that is not known.
        far, p_target, costs, min_pairs: as of `verification`.
        resamples: how many.
        confidence: between 0 and 1; 0.95 for the percentiles 2.5 and 97.5, interpolated linearly.
        seed: of the resamples; the same seed gives the same intervals.

    Returns:
        `VerificationIntervals`.

    Raises:
        ValueError: for what `verification` raises; for subjects that contradict `same`, a confidence or a number of
            resamples out of range, or when every resample lacked one kind of pairs.

    Reference: Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13; Fogliato, Patil, Perona, "Confidence
    Intervals for Error Rates in 1:1 Matching Tasks", arXiv 2306.01198, on resampling identities.

    Example:
        >>> scores = torch.cat([torch.linspace(0.4, 1, 20), torch.linspace(0, 0.6, 30)])
        >>> found = verification_intervals(scores, torch.arange(50) < 20, far=(0.1,), resamples=200)
        >>> found.resampled, found.auc[0] < found.figures.auc < found.auc[1]
        ('pairs', True)
    """
    scores, same = as_tensor("scores", scores), as_tensor("same", same)
    check_scores(scores, same)
    asked = VerificationSettings(far, p_target, costs, min_pairs)
    ends = None
    if subjects is not None:
        numbers, _ = as_labels("subjects", subjects)
        check_integers("subjects", numbers, (len(same), 2), "the subjects of both ends of each pair")
        ends = strangers_apart(numbers, "subjects")
    warn_of_scores(scores, same, stacklevel=2)
    return intervals_of(scores, same, ends, asked, resamples, confidence, seed)


def intervals_of(
    scores: Tensor,
    same: Tensor,
    subjects: Tensor | None,
    asked: VerificationSettings,
    resamples: int,
    confidence: float,
    seed: int,
    progress: Progress = silent,
) -> VerificationIntervals:
    """`verification_intervals` of tensors whose unknown subjects are apart."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected a number in (0, 1): 0.95 for 95 percent")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}, expected at least 1: 1000 for a steady interval")
    found = figures(points_of(scores, same), asked)
    resampled = "pairs" if subjects is None else "subjects"
    if subjects is not None:
        _check_subjects(subjects, same)
    if found.eer is None:
        return VerificationIntervals(confidence, resampled, 0, found, (None,) * len(asked.far), None, None, None)
    rows = figures_when_drawn(scores, same, subjects, asked, resamples, seed, progress)
    rows = rows[~rows[:, 0].isnan()]
    if not len(rows):
        raise ValueError(f"subjects gave {resamples} resamples that all lack genuine or impostor pairs; add subjects")
    ends = torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2], dtype=torch.float64)
    low, high = rows.quantile(ends, dim=0).tolist()
    eer, auc, min_dcf, *tar = zip(low, high, strict=True)
    at = tuple(None if point.tar is None else i for point, i in zip(found.tar, tar, strict=True))
    return VerificationIntervals(confidence, resampled, len(rows), found, at, eer, auc, min_dcf)


def figures_when_drawn(
    scores: Tensor,
    same: Tensor,
    subjects: Tensor | None,
    asked: VerificationSettings,
    resamples: int,
    seed: int,
    progress: Progress = silent,
) -> Tensor:
    """EER, AUC, minDCF and TAR at each of F rates (R, 3 + F) float64 for each draw; nan where a kind of pairs lacks."""
    draw = _draw_pairs(len(scores)) if subjects is None else _draw_subjects(subjects.to(scores.device), same)
    resample = _resampling(scores, same)
    generator = torch.Generator().manual_seed(seed)
    found = torch.full((resamples, 3 + len(asked.far)), torch.nan, dtype=torch.float64)
    for number, row in enumerate(found):
        progress("draws for all figures", number, resamples)
        points = resample(draw(generator).to(scores.device))
        if int(points.genuine[-1]) > 0 and int(points.impostors[-1]) > 0:
            row.copy_(torch.tensor(_row(points, asked), dtype=torch.float64))
    return found


def _draw_pairs(pairs: int) -> Callable[[torch.Generator], Tensor]:
    """How often each pair (N,) comes when pairs are drawn."""
    return lambda generator: multiplicities(pairs, generator)


def _check_subjects(subjects: Tensor, same: Tensor) -> None:
    wrong = ((subjects[:, 0] == subjects[:, 1]) != same.to(subjects.device)).nonzero()
    if len(wrong):
        which = int(wrong[0])
        raise ValueError(
            f"subjects[{which}] is {subjects[which].tolist()}, but same[{which}] is {bool(same[which])}: "
            "expected two equal numbers where same is true, and only there"
        )


def _draw_subjects(subjects: Tensor, same: Tensor) -> Callable[[torch.Generator], Tensor]:
    """How often each pair (N,) comes when subjects are drawn."""
    distinct, place = torch.unique(subjects, return_inverse=True)

    def draw(generator: torch.Generator) -> Tensor:
        a, b = multiplicities(len(distinct), generator).to(place.device)[place].unbind(dim=1)
        return torch.where(same, a, a * b)

    return draw


def _resampling(scores: Tensor, same: Tensor) -> Callable[[Tensor], OperatingPoints]:
    """From how often each pair comes (N,) to the operating points; the scores are sorted once."""
    distinct, place = falling(scores)
    threshold = torch.cat([distinct.new_full((1,), torch.inf), distinct])
    order = place.argsort()
    genuine = same[order]
    ends = torch.cat([place.new_zeros(1), torch.bincount(place).cumsum(0)])

    def resample(times: Tensor) -> OperatingPoints:
        times = times[order]
        accepted = (torch.cat([times.new_zeros(1), (times * kind).cumsum(0)])[ends] for kind in (genuine, ~genuine))
        return OperatingPoints(threshold, *accepted)

    return resample


def _row(points: OperatingPoints, asked: VerificationSettings) -> list[float]:
    """EER, AUC, minDCF and TAR at each rate."""
    cost = detection_costs(points.far, points.frr, asked).min().item()
    tar = points.tar
    at = [tar[place_at_far(points, rate)].item() for rate in asked.far]
    return [equal_error_rate(points), area(points), cost, *at]


def _said(value: float | None, interval: Interval | None, refused: Mapping[str, str], key: str) -> str:
    if value is None:
        return f"n/a: {refused[key]}"
    if interval is None:
        return f"{value:.6g}, without an interval: too many pairs decide it"
    return f"{value:.6g} in [{interval[0]:.6g}, {interval[1]:.6g}]"
