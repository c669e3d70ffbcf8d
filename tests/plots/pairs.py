"""Verifications of random embeddings of few subjects, in full."""

import torch
from torch import Tensor

from cones.evaluation import (
    Evaluation,
    Geometry,
    Identification,
    Retrieval,
    Verification,
    VerificationDetails,
    VerificationIntervals,
    roc,
    verification,
)

BINS = 60
HARD = 14


def evaluation_of(
    samples: int,
    subjects: int,
    verification: Verification,
    intervals: VerificationIntervals | None = None,
    identification: Identification | None = None,
    retrieval: Retrieval | None = None,
    geometry: Geometry | None = None,
) -> Evaluation:
    """An evaluation that has these figures alone."""
    return Evaluation(samples, subjects, verification, intervals, None, 0.95, identification, retrieval, geometry)


def embeddings(subjects: int, samples: int, noise: float = 0.8, dims: int = 16) -> tuple[Tensor, Tensor]:
    """Unit rows (N, D) around a direction for each subject, and labels (N,)."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.nn.functional.normalize(torch.randn(subjects, dims, generator=generator), dim=1)
    labels = torch.arange(subjects).repeat_interleave(samples)
    spread = noise * torch.rand(subjects, 1, generator=generator)[labels] / dims**0.5
    rows = centers[labels] + 2 * spread * torch.randn(len(labels), dims, generator=generator)
    return torch.nn.functional.normalize(rows, dim=1), labels


def details_of(features: Tensor, labels: Tensor, far: float = 0.01) -> VerificationDetails:
    """All pairs in float64; the band is made up, three points to either side."""
    first, second = torch.triu_indices(len(labels), len(labels), 1)
    scores, same = (features @ features.T)[first, second].double(), labels[first] == labels[second]
    curve = roc(scores, same).corners()
    found = verification(scores, same, far=(far,), min_pairs=1)
    at = found.tar[0]
    assert found.eer is not None
    assert at.threshold is not None
    assert at.reached is not None
    assert at.tar is not None
    threshold = at.threshold
    edges = torch.linspace(-1, 1, BINS + 1, dtype=torch.float64)
    rows = torch.stack([first, second], 1)
    subjects = labels.unique()
    rank = scores.argsort()
    low, high = rank[same[rank]][:HARD], rank[~same[rank]].flip(0)[:HARD]
    return VerificationDetails(
        far=curve.far,
        tar=curve.tar,
        band=torch.stack([(curve.tar - 0.03).clamp_min(0), (curve.tar + 0.03).clamp_max(1)], 1),
        confidence=0.95,
        edges=edges,
        genuine=torch.histogram(scores[same], edges).hist.long(),
        impostors=torch.histogram(scores[~same], edges).hist.long(),
        eer=found.eer,
        threshold=threshold,
        threshold_far=far,
        reached_far=at.reached,
        reached_tar=at.tar,
        subjects=subjects,
        false_rejects=_shares(same, scores < threshold, labels[rows], subjects),
        false_accepts=_shares(~same, scores >= threshold, labels[rows], subjects),
        hard_genuine=rows[low],
        hard_impostors=rows[high],
        hard_genuine_scores=scores[low],
        hard_impostor_scores=scores[high],
    )


def _shares(kind: Tensor, wrong: Tensor, ends: Tensor, subjects: Tensor) -> Tensor:
    """Of each subject's pairs of a kind, the share that is wrong; NaN where it has none."""
    shares = []
    for subject in subjects.tolist():
        mine = kind & (ends == subject).any(1)
        shares.append((mine & wrong).sum().double() / mine.sum())
    return torch.stack(shares)
