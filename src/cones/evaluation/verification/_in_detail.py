from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .._arrays import Array, as_tensor, strangers_apart
from .._bootstrap import Bootstrap
from .._checks import check_integers, check_other_rows, labelled_rows, scored_pairs, subjects_of_pairs
from ..figure import Interval
from ..progress import Progress, silent
from ..similarity import Similarity, zero_rows
from ._all_pairs import auc_error, points_of_tiles
from ._describe import ErrorPoint, curve_of, details_of
from ._details import VerificationDetails
from ._distances import warn_of_distances
from ._draws import resampled_tar
from ._figures import Verification, VerificationIntervals, verification_of
from ._intervals import intervals_of
from ._pairs import MOST_GENUINE, PairList, floor_of, given_pairs, list_pairs
from ._points import OperatingPoints, place_at_far, place_of_equal_error, points_of
from ._settings import VerificationSettings
from ._tiles import tiles_of

FEW = 2**20
"""Number of pairs up to which every figure gets an interval; above it TAR alone does, from the pairs of high score."""


class VerificationReport(NamedTuple):
    """A verification with all that a report shows of it.

    Attributes:
        figures: of all pairs.
        intervals: None where the figures are refused, or there are too many genuine pairs to list.
        details: as intervals.
        draws: (R, F) float64, TAR at each requested rate in each resample of subjects, nan where too many pairs decide
            it; None without subjects or resamples. One seed draws the same subjects from the same labels, so that the
            difference of two models' draws gives the interval of their difference.
    """

    figures: Verification
    intervals: VerificationIntervals | None
    details: VerificationDetails | None
    draws: Tensor | None = None


@torch.no_grad()
def verification_in_detail(
    embeddings: Array,
    labels: Array,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    similarity: Similarity = "cosine",
    *,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    tile: int = 1024,
    progress: Progress = silent,
) -> VerificationReport:
    """`verification_of_all_pairs` with intervals by subject, curves, errors by subject and the hardest pairs.

    Up to 2^20 pairs all figures get intervals. With more pairs TAR alone does, where its rate and twice that can be
    counted on the 2^21 impostor pairs of highest score, which are listed beside all genuine pairs; they are exactly
    those of `verification_intervals`. The list takes one more pass over the tiles.

    Args:
        embeddings: (N, D), any floating dtype; computed in float64.
        labels: (N,) integers or text, the subject of each row; -1 for one that is not known: it pairs as an impostor
            with every row.
        far: the requested false accept rates, each in [0, 1].
        similarity: "cosine" or "euclidean".
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws of subjects; 0 for no intervals.
        confidence: between 0 and 1.
        seed: of the draws.
        tile: rows and columns of a tile.
        progress: reports the tiles and the draws that are done.

    Returns:
        `VerificationReport`.

    Raises:
        ValueError: as `verification_of_all_pairs` and `verification_intervals`.

    Reference: as of `verification` and `verification_intervals`.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        >>> report = verification_in_detail(x, torch.tensor([4, 4, 7, 7]), far=(0.25,), min_pairs=2, resamples=20)
        >>> report.details.hard_impostors[0].tolist(), round(report.details.hard_impostor_scores[0].item(), 6)
        ([1, 2], 0.6)
    """
    settings, bootstrap = VerificationSettings(far, p_target, costs, min_pairs), Bootstrap(resamples, confidence, seed)
    rows, numbers, _ = labelled_rows(embeddings, labels)
    return report_of_rows(rows, numbers, similarity, settings, bootstrap, tile, progress)


@torch.no_grad()
def pairs_in_detail(
    scores: Array,
    same: Array,
    subjects: Array | None = None,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    *,
    rows: Array | None = None,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress = silent,
) -> VerificationReport:
    """`verification` of listed pairs with intervals, curves, errors by subject and the hardest pairs.

    Args:
        scores: (N,), higher for pairs that are more alike.
        same: (N,) bool.
        subjects: (N, 2) integers or text, the subjects of both ends, -1 for one that is not known; None where none is,
            and then pairs are drawn.
        far: the requested false accept rates.
        rows: (N, 2) integers, the numbers of both ends of a pair in the details; None for the pair's position.
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws; 0 for no intervals.
        confidence: between 0 and 1.
        seed: of the draws.
        progress: reports the draws that are done.

    Returns:
        `VerificationReport`.

    Raises:
        ValueError: as `verification_intervals`; rows that pair one row with itself.

    Example:
        >>> scores, same = torch.tensor([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]), torch.arange(6) < 3
        >>> report = pairs_in_detail(scores, same, far=(0.4,), min_pairs=3, resamples=20)
        >>> report.details.hard_genuine[0].tolist(), report.details.hard_impostors[0].tolist()
        ([2, 2], [3, 3])
    """
    settings, bootstrap = VerificationSettings(far, p_target, costs, min_pairs), Bootstrap(resamples, confidence, seed)
    scores, same = scored_pairs(scores, same)
    return report_of_pairs(scores, same, subjects, settings, bootstrap, rows, progress, stacklevel=3)


def report_of_rows(
    rows: Tensor,
    labels: Tensor,
    similarity: Similarity,
    settings: VerificationSettings,
    bootstrap: Bootstrap,
    tile: int = 1024,
    progress: Progress = silent,
) -> VerificationReport:
    """`verification_in_detail` of `labelled_rows`, with its settings as objects."""
    subjects = strangers_apart(labels)
    tiles = tiles_of(rows, subjects, similarity, tile)
    if not len(rows):
        none = points_of(rows.new_empty(0), torch.empty(0, dtype=torch.bool))
        return VerificationReport(verification_of(none, settings), None, None)
    points, bins = points_of_tiles(tiles, settings, None, progress)
    figures = verification_of(points, settings, auc_error(points, bins), zero_rows(rows, similarity))
    if figures.eer is None or figures.genuine > MOST_GENUINE:
        return VerificationReport(figures, None, None)
    pairs = list_pairs(tiles, floor_of(points), progress)
    return _report(points, figures, pairs, settings, bootstrap, subjects is not labels, progress)


def report_of_pairs(
    scores: Tensor,
    same: Tensor,
    subjects: Array | None,
    settings: VerificationSettings,
    bootstrap: Bootstrap,
    rows: Array | None = None,
    progress: Progress = silent,
    stacklevel: int = 1,
) -> VerificationReport:
    """`pairs_in_detail` of `scored_pairs`, its settings as objects; `stacklevel` of its warning, 1 for the caller."""
    subject_pairs, strangers = subjects_of_pairs(subjects, len(scores))
    if rows is not None:
        rows = as_tensor("rows", rows)
        check_integers("rows", rows, (len(scores), 2), "both ends of each pair")
        check_other_rows("rows", rows)
    points = points_of(scores, same)
    warn_of_distances(points, stacklevel + 1)
    figures = verification_of(points, settings)
    if figures.eer is None:
        return VerificationReport(figures, None, None)
    pairs = given_pairs(scores, same, subject_pairs, rows)
    return _report(points, figures, pairs, settings, bootstrap, strangers, progress)


def _report(
    points: OperatingPoints,
    figures: Verification,
    pairs: PairList,
    settings: VerificationSettings,
    bootstrap: Bootstrap,
    strangers: bool,
    progress: Progress,
) -> VerificationReport:
    far, tar = curve_of(points)
    band = intervals = draws = None
    if bootstrap.resamples:
        at_rates = None
        if len(pairs.labels):
            rates = torch.cat([torch.tensor(settings.far, dtype=torch.float64), far])
            drawn = resampled_tar(pairs, rates, bootstrap, progress)
            ends = drawn.quantile(bootstrap.percentiles.to(drawn.device), dim=0).T.cpu()
            draws = drawn[:, : len(settings.far)].cpu()
            at_rates, band = ends[: len(settings.far)], ends[len(settings.far) :]
        if pairs.complete and figures.genuine + figures.impostors <= FEW:
            intervals = _intervals_of_all(pairs, settings, bootstrap, progress)
        elif at_rates is not None:
            intervals = VerificationIntervals(
                bootstrap.confidence, "subjects", bootstrap.resamples, figures, _known(figures, at_rates)
            )
    at = _error_point(points, figures, pairs)
    details = details_of(points, pairs, (far, tar), band, bootstrap.confidence, at, strangers)
    return VerificationReport(figures, intervals, details, draws)


def _known(figures: Verification, ends: Tensor) -> tuple[Interval | None, ...]:
    """Intervals of TAR, from both ends (F, 2); None where it is refused or too many pairs decide it."""
    return tuple(
        None if at.tar is None or not pair.isfinite().all() else (pair[0].item(), pair[1].item())
        for at, pair in zip(figures.tar, ends, strict=True)
    )


def _error_point(points: OperatingPoints, figures: Verification, pairs: PairList) -> ErrorPoint:
    """The first requested operating point that the listed pairs reach, else that of equal errors, else their last."""
    listed = len(pairs.impostors.score)
    for at in figures.tar:
        place = place_at_far(points, at.far)
        if at.tar is not None and (pairs.complete or int(points.impostors[place]) <= listed):
            return _errors_at(points, place, at.far)
    if pairs.complete:
        assert figures.eer is not None
        return _errors_at(points, place_of_equal_error(points), figures.eer)
    place = int((points.impostors <= listed).sum()) - 1
    last = _errors_at(points, place, listed / figures.impostors)
    return last._replace(threshold=points.threshold[place].item())


def _errors_at(points: OperatingPoints, place: int, requested_far: float) -> ErrorPoint:
    return ErrorPoint(points.threshold_at(place), requested_far, points.far[place].item(), points.tar[place].item())


def _intervals_of_all(
    pairs: PairList, settings: VerificationSettings, bootstrap: Bootstrap, progress: Progress
) -> VerificationIntervals:
    scores = torch.cat([pairs.genuine.score, pairs.impostors.score])
    same = torch.arange(len(scores), device=scores.device) < len(pairs.genuine.score)
    subjects = torch.cat([pairs.genuine.subjects, pairs.impostors.subjects]) if len(pairs.labels) else None
    return intervals_of(scores, same, subjects, settings, bootstrap, progress)
