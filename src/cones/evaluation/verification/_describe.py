"""From operating points and listed pairs to what pictures need."""

from typing import NamedTuple

import torch
from torch import Tensor

from ._details import VerificationDetails
from ._figures import equal_error_rate
from ._listed import PairList, ScoredPairs
from ._points import OperatingPoints

POINTS = 400
"""Operating points told, at most, along each axis."""

BINS = 160
HARDEST = 12
"""Pairs of each kind that are shown."""


class Errors(NamedTuple):
    """Where single errors are counted: a threshold, the rate asked for there, and the rates that it reaches."""

    threshold: float
    asked: float
    far: float
    tar: float


def curve_of(points: OperatingPoints) -> tuple[Tensor, Tensor]:
    """far and tar (M,) of points enough to draw: even in the logarithm of FAR and in TAR, far rising from 0 to 1."""
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
    listed: PairList | None,
    curve: tuple[Tensor, Tensor],
    band: Tensor | None,
    confidence: float,
    at: Errors,
    strangers: bool,
) -> VerificationDetails:
    """All details; those of single pairs and subjects are empty where the pairs are not listed.

    Args:
        points: operating points.
        listed: pairs, in which every impostor pair with score >= threshold is; None where they are too many.
        curve: far and tar (M,).
        band: (M, 2) or None.
        confidence: of the band.
        at: where errors are counted.
        strangers: whether the subjects below 0 are those that are not known.
    """
    finite = points.threshold[1:].cpu()
    edges = torch.linspace(finite[-1].item(), finite[0].item(), BINS + 1, dtype=torch.float64)
    place = (torch.searchsorted(edges, finite, right=True) - 1).clamp(0, BINS - 1)
    counts = [
        torch.zeros(BINS, dtype=torch.int64).index_add_(0, place, accepted.cpu().diff())
        for accepted in (points.genuine, points.impostors)
    ]
    rejects, accepts, labels = torch.empty(0), torch.empty(0), torch.empty(0, dtype=torch.int64)
    no_pairs = torch.empty(0, 2, dtype=torch.int64), torch.empty(0)
    genuine = impostors = no_pairs
    if listed is not None:
        labels = listed.labels.cpu()
        rejects, accepts = _errors(listed, at.threshold) if len(labels) else (rejects, accepts)
        genuine, impostors = (
            _hardest(listed.genuine, len(labels) > 0, lowest=True),
            _hardest(listed.impostors, len(labels) > 0, lowest=False),
        )
        if strangers and len(labels):
            known = labels >= 0
            labels, rejects, accepts = labels[known], rejects[known], accepts[known]
    return VerificationDetails(
        far=curve[0],
        tar=curve[1],
        band=band,
        confidence=confidence,
        edges=edges,
        genuine=counts[0],
        impostors=counts[1],
        eer=equal_error_rate(points),
        threshold=at.threshold,
        threshold_far=at.asked,
        reached_far=at.far,
        reached_tar=at.tar,
        subjects=labels,
        false_rejects=rejects.double(),
        false_accepts=accepts.double(),
        hard_genuine=genuine[0],
        hard_impostors=impostors[0],
        hard_genuine_scores=genuine[1].double(),
        hard_impostor_scores=impostors[1].double(),
    )


def _errors(listed: PairList, threshold: float) -> tuple[Tensor, Tensor]:
    """A subject's share of genuine pairs rejected and of impostor pairs accepted (S,); nan where it has none."""
    count = len(listed.labels)
    own = listed.genuine.subjects[:, 0]
    pairs, rejected = (
        torch.bincount(of, minlength=count) for of in (own, own[listed.genuine.score.double() < threshold])
    )
    both = listed.impostors.subjects
    accepted = torch.bincount(both[listed.impostors.score.double() >= threshold].flatten(), minlength=count)
    rows = listed.rows
    strangers = rows * (rows.sum() - rows) if len(rows) else torch.bincount(both.flatten(), minlength=count)
    return (rejected / pairs).cpu(), (accepted / strangers).cpu()


def _hardest(ends: ScoredPairs, subjects_known: bool, *, lowest: bool) -> tuple[Tensor, Tensor]:
    """Rows (k, 2) and scores (k,) of the hardest pairs, where subjects are known one for each two of them."""
    place = torch.arange(len(ends.score), device=ends.score.device)
    if lowest:
        place = place.flip(0)
    if subjects_known and len(place):
        low, high = ends.subjects[place].sort(dim=1).values.unbind(dim=1)
        _, pair = torch.unique(low * (int(high.max()) + 1) + high, return_inverse=True)
        first = torch.full_like(place, len(place)).scatter_reduce(0, pair, torch.arange(len(place)).to(pair), "amin")
        place = place[first[first < len(place)].sort().values]
    chosen = place[:HARDEST]
    return ends.rows[chosen].cpu(), ends.score[chosen].cpu()
