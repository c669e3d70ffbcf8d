from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ._all_pairs import auc_error, tally_of
from ._asked import Asked
from ._check import check_integers, check_scores
from ._describe import curve_of, details_of
from ._details import VerificationDetails
from ._draws import ends_of, tar_when_drawn
from ._intervals import VerificationIntervals, verification_intervals
from ._listed import MOST_GENUINE, Listed, floor_of, given_pairs, list_pairs
from ._points import Points, points_of
from ._similarity import Similarity, float32_rows
from ._tiles import tiles_of
from ._verification import Verification, figures

FEW = 2**20
"""Pairs of which every figure gets an interval; of more, TAR alone does, from the pairs of high score."""


class InDetail(NamedTuple):
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
    embeddings: Tensor,
    labels: Tensor,
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
) -> InDetail:
    """`verification_of_all_pairs` with intervals by subject, curves, errors by subject and the hardest pairs.

    Up to 2^20 pairs all figures get intervals. Of more, TAR does where its rate and twice that can be counted on the
    2^21 impostor pairs of highest score, which are listed beside all genuine pairs: exactly those of
    `verification_intervals`. That takes one more pass over the tiles.

    Args:
        embeddings: (N, D), any floating dtype; computed in float32.
        labels: (N,) integers, the subject of each row.
        far: the false accept rates asked for, each in [0, 1].
        similarity: "cosine" or "euclidean".
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws of subjects; 0 for no intervals.
        confidence: between 0 and 1.
        seed: of the draws.
        tile: rows and columns of a tile.

    Returns:
        `InDetail`.

    Raises:
        ValueError: as `verification_of_all_pairs` and `verification_intervals`.

    Reference: as of `verification` and `verification_intervals`.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        >>> found = verification_in_detail(x, torch.tensor([4, 4, 7, 7]), far=(0.25,), min_pairs=2, resamples=20)
        >>> found.details.hard_impostors[0].tolist(), round(found.details.hard_impostor_scores[0].item(), 6)
        ([1, 2], 0.6)
    """
    rows = float32_rows(embeddings, similarity)
    check_integers("labels", labels, (len(rows),), "one subject a row")
    asked = Asked(far, p_target, costs, min_pairs)
    if not len(rows):
        return InDetail(figures(points_of(rows.new_empty(0), torch.empty(0, dtype=torch.bool)), asked), None, None)
    tiles = tiles_of(rows, labels.to(rows.device), similarity, tile)
    points, bins = tally_of(tiles, asked)
    found = figures(points, asked, auc_error(points, bins))
    if found.eer is None or found.genuine > MOST_GENUINE:
        return InDetail(found, None, None)
    return _in_detail(points, found, list_pairs(tiles, floor_of(points)), asked, resamples, confidence, seed)


@torch.no_grad()
def pairs_in_detail(
    scores: Tensor,
    same: Tensor,
    subjects: Tensor | None = None,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    *,
    rows: Tensor | None = None,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> InDetail:
    """`verification` of listed pairs with intervals, curves, errors by subject and the hardest pairs.

    Args:
        scores: (N,), higher for pairs that are more alike.
        same: (N,) bool.
        subjects: (N, 2) integers, the subjects of both ends; None where they are not known, and then pairs are drawn.
        far: the false accept rates asked for.
        rows: (N, 2) integers, what both ends of a pair are called in the details; None for the pair's position.
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws; 0 for no intervals.
        confidence: between 0 and 1.
        seed: of the draws.

    Returns:
        `InDetail`.

    Raises:
        ValueError: as `verification_intervals`.

    Example:
        >>> scores, same = torch.tensor([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]), torch.arange(6) < 3
        >>> found = pairs_in_detail(scores, same, far=(0.4,), min_pairs=3, resamples=20)
        >>> found.details.hard_genuine[0].tolist(), found.details.hard_impostors[0].tolist()
        ([2, 2], [3, 3])
    """
    check_scores(scores, same)
    for name, ends in (("subjects", subjects), ("rows", rows)):
        if ends is not None:
            check_integers(name, ends, (len(scores), 2), "both ends of each pair")
    asked = Asked(far, p_target, costs, min_pairs)
    points = points_of(scores, same)
    found = figures(points, asked)
    if found.eer is None:
        return InDetail(found, None, None)
    return _in_detail(points, found, given_pairs(scores, same, subjects, rows), asked, resamples, confidence, seed)


def _in_detail(
    points: Points, found: Verification, listed: Listed, asked: Asked, resamples: int, confidence: float, seed: int
) -> InDetail:
    curve = curve_of(points)
    threshold, rate = _where_errors_count(found, listed)
    band = intervals = draws = None
    if resamples:
        by_subject = len(listed.labels) > 0
        at = None
        if by_subject:
            rates = torch.cat([torch.tensor(asked.far, dtype=torch.float64), curve[0]])
            drawn = tar_when_drawn(listed, rates, resamples, seed)
            ends, draws = ends_of(drawn, confidence).cpu(), drawn[:, : len(asked.far)].cpu()
            at, band = ends[: len(asked.far)], ends[len(asked.far) :]
        if listed.complete and found.genuine + found.impostors <= FEW:
            intervals = _of_all(listed, asked, resamples, confidence, seed)
        elif at is not None:
            known = [None if t.tar is None or not e.isfinite().all() else (e[0].item(), e[1].item())
                     for t, e in zip(found.tar, at, strict=True)]  # fmt: skip
            intervals = VerificationIntervals(confidence, "subjects", resamples, found, tuple(known), None, None, None)
    return InDetail(found, intervals, details_of(points, listed, curve, band, confidence, threshold, rate), draws)


def _where_errors_count(found: Verification, listed: Listed) -> tuple[float, float]:
    """The first operating point asked for that the listed pairs reach, else that of equal errors, else their last."""
    floor = -torch.inf if listed.complete else listed.impostors.score[-1].item()
    for point in found.tar:
        if point.threshold is not None and point.threshold >= floor:
            return point.threshold, point.far
    assert found.eer is not None
    assert found.eer_threshold is not None
    if listed.complete:
        return found.eer_threshold, found.eer
    return floor, len(listed.impostors.score) / found.impostors


def _of_all(listed: Listed, asked: Asked, resamples: int, confidence: float, seed: int) -> VerificationIntervals:
    scores = torch.cat([listed.genuine.score, listed.impostors.score])
    same = torch.arange(len(scores), device=scores.device) < len(listed.genuine.score)
    subjects = torch.cat([listed.genuine.subjects, listed.impostors.subjects]) if len(listed.labels) else None
    return verification_intervals(
        scores, same, subjects, asked.far,
        p_target=asked.p_target, costs=asked.costs, min_pairs=asked.min_pairs,
        resamples=resamples, confidence=confidence, seed=seed,
    )  # fmt: skip
