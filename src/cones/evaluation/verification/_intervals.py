from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .._arrays import Array
from .._bootstrap import Bootstrap
from .._checks import scored_pairs, subjects_of_pairs
from ..progress import Progress, silent
from ._distances import warn_of_scores
from ._draws import multiplicities
from ._figures import POINT_FIGURES, VerificationIntervals, verification_of
from ._points import OperatingPoints, falling, place_at_far, points_of
from ._settings import VerificationSettings


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

    The S subjects are drawn S times with replacement; m_s is how often s was drawn. A subject drawn twice counts as
    two, so an impostor pair is there m_a m_b times and a genuine pair m_a times: pairs across two copies of one
    subject would be neither. Pairs of one subject are not independent, so intervals that resample pairs are too
    narrow. Without `subjects` pairs are resampled all the same, and `resampled` says so.

    Args:
        scores: (N,), higher for pairs that are more alike, any unit.
        same: (N,) bool, true where both ends of a pair are of one subject.
        subjects: (N, 2) integers or text, the subjects of both ends of each pair; -1 for one that is not known.
        far, p_target, costs, min_pairs: as of `verification`.
        resamples: number of resamples.
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
        >>> intervals = verification_intervals(scores, torch.arange(50) < 20, far=(0.1,), resamples=200)
        >>> intervals.resampled, intervals.auc[0] < intervals.figures.auc < intervals.auc[1]
        ('pairs', True)
    """
    scores, same = scored_pairs(scores, same)
    settings = VerificationSettings(far, p_target, costs, min_pairs)
    subject_pairs, _ = subjects_of_pairs(subjects, len(same))
    warn_of_scores(scores, same, stacklevel=2)
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}, expected at least 1: 1000 for a steady interval")
    return intervals_of(scores, same, subject_pairs, settings, Bootstrap(resamples, confidence, seed))


def intervals_of(
    scores: Tensor,
    same: Tensor,
    subjects: Tensor | None,
    settings: VerificationSettings,
    bootstrap: Bootstrap,
    progress: Progress = silent,
) -> VerificationIntervals:
    """`verification_intervals` of tensors, with unknown subjects numbered apart and one resample or more."""
    figures = verification_of(points_of(scores, same), settings)
    resampled = "pairs" if subjects is None else "subjects"
    if subjects is not None:
        _check_subjects(subjects, same)
    if figures.eer is None:
        return VerificationIntervals(bootstrap.confidence, resampled, 0, figures, (None,) * len(settings.far))
    rows = resampled_figures(scores, same, subjects, settings, bootstrap, progress)
    rows = rows[~rows[:, 0].isnan()]
    if not len(rows):
        raise ValueError(
            f"subjects gave {bootstrap.resamples} resamples that all lack genuine or impostor pairs; add subjects"
        )
    low, high = rows.quantile(bootstrap.percentiles, dim=0).tolist()
    ends = list(zip(low, high, strict=True))
    by_key = dict(zip(POINT_FIGURES, ends, strict=False))
    tar = tuple(
        None if at.tar is None else interval
        for at, interval in zip(figures.tar, ends[len(POINT_FIGURES) :], strict=True)
    )
    return VerificationIntervals(bootstrap.confidence, resampled, len(rows), figures, tar, **by_key)


def resampled_figures(
    scores: Tensor,
    same: Tensor,
    subjects: Tensor | None,
    settings: VerificationSettings,
    bootstrap: Bootstrap,
    progress: Progress = silent,
) -> Tensor:
    """Figures of each resample, (R, P + F) float64: the P of `POINT_FIGURES`, then TAR at each of F rates.

    A row is nan where the resample has no genuine or no impostor pairs.
    """
    draw = _draw_pairs(len(scores)) if subjects is None else _draw_subjects(subjects.to(scores.device), same)
    resample = _resampling(scores, same)
    generator = bootstrap.generator
    width = len(POINT_FIGURES) + len(settings.far)
    figures = torch.full((bootstrap.resamples, width), torch.nan, dtype=torch.float64)
    for number, row in enumerate(figures):
        progress("draws for all figures", number, bootstrap.resamples)
        points = resample(draw(generator).to(scores.device))
        if int(points.genuine[-1]) > 0 and int(points.impostors[-1]) > 0:
            row.copy_(torch.tensor(_row(points, settings), dtype=torch.float64))
    return figures


def _draw_pairs(pairs: int) -> Callable[[torch.Generator], Tensor]:
    """Multiplicity of each pair (N,) when pairs are resampled."""
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
    """Multiplicity of each pair (N,) when subjects are resampled."""
    distinct, place = torch.unique(subjects, return_inverse=True)

    def draw(generator: torch.Generator) -> Tensor:
        a, b = multiplicities(len(distinct), generator).to(place.device)[place].unbind(dim=1)
        return torch.where(same, a, a * b)

    return draw


def _resampling(scores: Tensor, same: Tensor) -> Callable[[Tensor], OperatingPoints]:
    """A function from the multiplicities (N,) of the pairs to the operating points; it sorts the scores once."""
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


def _row(points: OperatingPoints, settings: VerificationSettings) -> list[float]:
    tar = points.tar
    at_rates = [tar[place_at_far(points, rate)].item() for rate in settings.far]
    return [*(figure.value(points, settings) for figure in POINT_FIGURES.values()), *at_rates]
