"""The details that pictures need, from operating points and listed pairs."""

from typing import NamedTuple

import torch
from torch import Tensor

from ._details import VerificationDetails
from ._pairs import PairList, ScoredPairs
from ._points import OperatingPoints, equal_error_rate

POINTS = 400
"""Operating points of a curve, at most, along each axis."""

BINS = 160
HARDEST = 12
"""Pairs of each kind that are shown."""


class ErrorPoint(NamedTuple):
    """The operating point at which errors are counted: threshold, requested false accept rate, and rates reached."""

    threshold: float
    requested_far: float
    far: float
    tar: float


def curve_of(points: OperatingPoints) -> tuple[Tensor, Tensor]:
    """far and tar (M,) of enough points to draw: even in the logarithm of FAR and in TAR, far rising from 0 to 1."""
    lowest = 1 / int(points.impostors[-1])
    rates = torch.logspace(torch.tensor(lowest).log10().item(), 0, POINTS, dtype=torch.float64)
    levels = torch.linspace(0, 1, POINTS, dtype=torch.float64)
    far, tar = points.far.cpu(), points.tar.cpu()
    by_far = torch.searchsorted(far, rates * (1 + 1e-12), right=True) - 1
    by_tar = torch.searchsorted(tar, levels).clamp(max=len(tar) - 1)
    last = torch.tensor([0, int((far == 0).sum()) - 1, len(far) - 1])
    chosen = torch.cat([by_far, by_tar, last]).unique()
    return far[chosen], tar[chosen]


def details_of(
    points: OperatingPoints,
    pairs: PairList,
    curve: tuple[Tensor, Tensor],
    band: Tensor | None,
    confidence: float,
    at: ErrorPoint,
    strangers: bool,
) -> VerificationDetails:
    """All details; those of subjects are empty where the pairs have none.

    Args:
        points: operating points.
        pairs: a list with every impostor pair of score >= threshold.
        curve: far and tar (M,).
        band: (M, 2) or None.
        confidence: of the band.
        at: the point at which errors are counted.
        strangers: whether the subjects below 0 are unknown ones.
    """
    finite = points.threshold[1:].cpu()
    edges = torch.linspace(finite[-1].item(), finite[0].item(), BINS + 1, dtype=torch.float64)
    place = (torch.searchsorted(edges, finite, right=True) - 1).clamp(0, BINS - 1)
    genuine, impostors = (
        torch.zeros(BINS, dtype=torch.int64).index_add_(0, place, accepted.cpu().diff())
        for accepted in (points.genuine, points.impostors)
    )
    labels = pairs.labels.cpu()
    rejects, accepts = _errors(pairs, at.threshold) if len(labels) else (torch.empty(0), torch.empty(0))
    genuine_rows, genuine_scores = _hardest(pairs.genuine, len(labels) > 0, lowest=True)
    impostor_rows, impostor_scores = _hardest(pairs.impostors, len(labels) > 0, lowest=False)
    if strangers:
        known = labels >= 0
        labels, rejects, accepts = labels[known], rejects[known], accepts[known]
    return VerificationDetails(
        far=curve[0],
        tar=curve[1],
        band=band,
        confidence=confidence,
        edges=edges,
        genuine=genuine,
        impostors=impostors,
        eer=equal_error_rate(points),
        threshold=at.threshold,
        threshold_far=at.requested_far,
        reached_far=at.far,
        reached_tar=at.tar,
        subjects=labels,
        false_rejects=rejects.double(),
        false_accepts=accepts.double(),
        hard_genuine=genuine_rows,
        hard_impostors=impostor_rows,
        hard_genuine_scores=genuine_scores.double(),
        hard_impostor_scores=impostor_scores.double(),
    )


def _errors(pairs: PairList, threshold: float) -> tuple[Tensor, Tensor]:
    """A subject's share of genuine pairs rejected and of impostor pairs accepted (S,); nan where it has none."""
    count = len(pairs.labels)
    own = pairs.genuine.subjects[:, 0]
    genuine, rejected = (
        torch.bincount(of, minlength=count) for of in (own, own[pairs.genuine.score.double() < threshold])
    )
    both = pairs.impostors.subjects
    accepted = torch.bincount(both[pairs.impostors.score.double() >= threshold].flatten(), minlength=count)
    rows = pairs.rows
    impostors = rows * (rows.sum() - rows) if len(rows) else torch.bincount(both.flatten(), minlength=count)
    return (rejected / genuine).cpu(), (accepted / impostors).cpu()


def _hardest(scored: ScoredPairs, by_subject: bool, *, lowest: bool) -> tuple[Tensor, Tensor]:
    """Rows (k, 2) and scores (k,) of the hardest pairs; `by_subject`: one for each subject or two subjects."""
    place = torch.arange(len(scored.score), device=scored.score.device)
    if lowest:
        place = place.flip(0)
    if by_subject and len(place):
        low, high = scored.subjects[place].sort(dim=1).values.unbind(dim=1)
        _, pair = torch.unique(low * (int(high.max()) + 1) + high, return_inverse=True)
        first = torch.full_like(place, len(place)).scatter_reduce(0, pair, torch.arange(len(place)).to(pair), "amin")
        place = place[first[first < len(place)].sort().values]
    chosen = place[:HARDEST]
    return scored.rows[chosen].cpu(), scored.score[chosen].cpu()
