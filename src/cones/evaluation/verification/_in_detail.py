from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from .._arrays import Array, as_labels, as_tensor, strangers_apart
from ..progress import Progress, silent
from ..search.scores import Similarity, zero_rows
from ._all_pairs import auc_error, rows_and_subjects, tally_of
from ._check import check_integers, check_scores
from ._describe import Errors, curve_of, details_of
from ._details import VerificationDetails
from ._distances import warn_of_distances
from ._draws import ends_of, tar_when_drawn
from ._figures import place_at_far, place_of_equal_error
from ._intervals import VerificationIntervals, intervals_of
from ._listed import MOST_GENUINE, PairList, floor_of, given_pairs, list_pairs
from ._points import OperatingPoints, points_of
from ._tiles import tiles_of
from ._verification import Verification, figures
from .settings import VerificationSettings

FEW = 2**20
"""Pairs of which every figure gets an interval; of more, TAR alone does, from the pairs of high score."""


class VerificationReport(NamedTuple):
    """A verification with all that a report tells of it.

    Attributes:
        figures: of all pairs.
        intervals: None where the figures are refused, or there are too many genuine pairs to list.
        details: as intervals.
        draws: (R, F) float64, TAR at each rate asked for in each draw of subjects, nan where too many pairs decide it;
            None without subjects or draws. One seed draws the same subjects from the same labels, so that the
            difference of two models' draws tells the interval of their difference.
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

    Up to 2^20 pairs all figures get intervals. Of more, TAR does where its rate and twice that can be counted on the
    2^21 impostor pairs of highest score, which are listed beside all genuine pairs: exactly those of
    `verification_intervals`. That takes one more pass over the tiles.

    Args:
        embeddings: (N, D), any floating dtype; computed in float64.
        labels: (N,) integers or text, the subject of each row; -1 for one that is not known: it pairs as an impostor
            with every row.
        far: the false accept rates asked for, each in [0, 1].
        similarity: "cosine" or "euclidean".
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws of subjects; 0 for no intervals.
        confidence: between 0 and 1.
        seed: of the draws.
        tile: rows and columns of a tile.
        progress: is told of the tiles and the draws that are done.

    Returns:
        `VerificationReport`.

    Raises:
        ValueError: as `verification_of_all_pairs` and `verification_intervals`.

    Reference: as of `verification` and `verification_intervals`.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        >>> found = verification_in_detail(x, torch.tensor([4, 4, 7, 7]), far=(0.25,), min_pairs=2, resamples=20)
        >>> found.details.hard_impostors[0].tolist(), round(found.details.hard_impostor_scores[0].item(), 6)
        ([1, 2], 0.6)
    """
    rows, subjects, strangers = rows_and_subjects(embeddings, labels)
    asked = VerificationSettings(far, p_target, costs, min_pairs)
    tiles = tiles_of(rows, subjects, similarity, tile)
    if not len(rows):
        return VerificationReport(
            figures(points_of(rows.new_empty(0), torch.empty(0, dtype=torch.bool)), asked), None, None
        )
    points, bins = tally_of(tiles, asked, None, progress)
    found = replace(figures(points, asked, auc_error(points, bins)), zero_rows=zero_rows(rows, similarity))
    if found.eer is None or found.genuine > MOST_GENUINE:
        return VerificationReport(found, None, None)
    listed = list_pairs(tiles, floor_of(points), progress)
    return _in_detail(points, found, listed, asked, resamples, confidence, seed, strangers, progress)


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
        far: the false accept rates asked for.
        rows: (N, 2) integers, what both ends of a pair are called in the details; None for the pair's position.
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws; 0 for no intervals.
        confidence: between 0 and 1.
        seed: of the draws.
        progress: is told of the draws that are done.

    Returns:
        `VerificationReport`.

    Raises:
        ValueError: as `verification_intervals`; rows that pair one row with itself.

    Example:
        >>> scores, same = torch.tensor([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]), torch.arange(6) < 3
        >>> found = pairs_in_detail(scores, same, far=(0.4,), min_pairs=3, resamples=20)
        >>> found.details.hard_genuine[0].tolist(), found.details.hard_impostors[0].tolist()
        ([2, 2], [3, 3])
    """
    scores, same = as_tensor("scores", scores), as_tensor("same", same)
    check_scores(scores, same)
    ends, strangers = None, False
    if subjects is not None:
        numbers, _ = as_labels("subjects", subjects)
        check_integers("subjects", numbers, (len(scores), 2), "both ends of each pair")
        ends = strangers_apart(numbers, "subjects")
        strangers = ends is not numbers
    if rows is not None:
        rows = as_tensor("rows", rows)
        check_integers("rows", rows, (len(scores), 2), "both ends of each pair")
        _check_other_rows(rows)
    asked = VerificationSettings(far, p_target, costs, min_pairs)
    points = points_of(scores, same)
    warn_of_distances(points, stacklevel=3)
    found = figures(points, asked)
    if found.eer is None:
        return VerificationReport(found, None, None)
    listed = given_pairs(scores, same, ends, rows)
    return _in_detail(points, found, listed, asked, resamples, confidence, seed, strangers, progress)


def _check_other_rows(rows: Tensor) -> None:
    alone = (rows[:, 0] == rows[:, 1]).nonzero()
    if len(alone):
        place = int(alone[0])
        raise ValueError(
            f"rows[{place}] is {rows[place].tolist()}, a row with itself, expected two rows: drop the pair"
        )


def _in_detail(
    points: OperatingPoints,
    found: Verification,
    listed: PairList,
    asked: VerificationSettings,
    resamples: int,
    confidence: float,
    seed: int,
    strangers: bool,
    progress: Progress,
) -> VerificationReport:
    curve = curve_of(points)
    at = _where_errors_count(points, found, asked, listed)
    band = intervals = draws = None
    if resamples:
        by_subject = len(listed.labels) > 0
        of_rates = None
        if by_subject:
            rates = torch.cat([torch.tensor(asked.far, dtype=torch.float64), curve[0]])
            drawn = tar_when_drawn(listed, rates, resamples, seed, progress)
            ends, draws = ends_of(drawn, confidence).cpu(), drawn[:, : len(asked.far)].cpu()
            of_rates, band = ends[: len(asked.far)], ends[len(asked.far) :]
        if listed.complete and found.genuine + found.impostors <= FEW:
            intervals = _of_all(listed, asked, resamples, confidence, seed, progress)
        elif of_rates is not None:
            known = [None if t.tar is None or not e.isfinite().all() else (e[0].item(), e[1].item())
                     for t, e in zip(found.tar, of_rates, strict=True)]  # fmt: skip
            intervals = VerificationIntervals(confidence, "subjects", resamples, found, tuple(known), None, None, None)
    return VerificationReport(
        found, intervals, details_of(points, listed, curve, band, confidence, at, strangers), draws
    )


def _where_errors_count(
    points: OperatingPoints, found: Verification, asked: VerificationSettings, listed: PairList
) -> Errors:
    """The first operating point asked for that the listed pairs reach, else that of equal errors, else their last."""
    for point in found.tar:
        place = place_at_far(points, point.far)
        if point.tar is not None and (listed.complete or int(points.impostors[place]) <= len(listed.impostors.score)):
            return _errors_at(points, place, point.far)
    if listed.complete:
        assert found.eer is not None
        return _errors_at(points, place_of_equal_error(points), found.eer)
    place = int((points.impostors <= len(listed.impostors.score)).sum()) - 1
    last = _errors_at(points, place, len(listed.impostors.score) / found.impostors)
    return last._replace(threshold=points.threshold[place].item())


def _errors_at(points: OperatingPoints, place: int, asked: float) -> Errors:
    return Errors(points.threshold_at(place), asked, points.far[place].item(), points.tar[place].item())


def _of_all(
    listed: PairList, asked: VerificationSettings, resamples: int, confidence: float, seed: int, progress: Progress
) -> VerificationIntervals:
    scores = torch.cat([listed.genuine.score, listed.impostors.score])
    same = torch.arange(len(scores), device=scores.device) < len(listed.genuine.score)
    subjects = torch.cat([listed.genuine.subjects, listed.impostors.subjects]) if len(listed.labels) else None
    return intervals_of(scores, same, subjects, asked, resamples, confidence, seed, progress)
