"""One call for an open-set evaluation, and its figures as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ._bootstrap import Interval
from ._identification import Identification, identification
from ._retrieval import Retrieval, retrieval
from ._split import gallery_probe_split
from ._table import table
from .geometry import Geometry, geometry
from .verification import (
    FoldAccuracy,
    InDetail,
    Similarity,
    Verification,
    VerificationDetails,
    VerificationIntervals,
    fold_accuracy,
    pairs_in_detail,
    verification_in_detail,
)
from .verification._check import check_embeddings, check_integers

CLUSTERED = 2**23
"""Rows times classes up to which k-means is run for NMI and AMI."""


class Figure(NamedTuple):
    """One line of a table.

    Attributes:
        task: "verification", "identification", "retrieval" or "geometry".
        name: such as "TAR at FAR 0.001".
        value: None where it is refused.
        interval: None where there is none.
        note: a threshold, or why there is no value.
    """

    task: str
    name: str
    value: float | None
    interval: Interval | None
    note: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` returns; print it for a table.

    Attributes:
        samples: N, rows or pairs that were evaluated.
        subjects: S; 0 where they are not known.
        verification: of all pairs.
        intervals: of its figures; None without.
        identification: None where no subject has two samples, or pairs alone are known.
        retrieval: as identification.
        geometry: as identification.
        details: what pictures need; None where the figures are refused.
        confidence: of all intervals.
        folds: accuracy by folds; None where the pairs have none.
    """

    samples: int
    subjects: int
    verification: Verification
    intervals: VerificationIntervals | None
    identification: Identification | None
    retrieval: Retrieval | None
    geometry: Geometry | None
    details: VerificationDetails | None
    confidence: float
    folds: FoldAccuracy | None = None

    def figures(self) -> list[Figure]:
        """Every figure, in the order of tasks."""
        return [
            *_of_verification(self.verification, self.intervals),
            *([] if self.folds is None else _of_folds(self.folds)),
            *([] if self.identification is None else _of_identification(self.identification)),
            *([] if self.retrieval is None else _of_retrieval(self.retrieval)),
            *([] if self.geometry is None else _of_geometry(self.geometry)),
        ]

    def __str__(self) -> str:
        v = self.verification
        head = f"{v.genuine:,} genuine and {v.impostors:,} impostor pairs"
        if self.subjects:
            head = f"{self.samples:,} samples of {self.subjects:,} subjects: {head}"
        lines: list[Sequence[str]] = [("", "figure", "value", f"{100 * self.confidence:g}% interval", "")]
        for figure in self.figures():
            value = "n/a" if figure.value is None else f"{figure.value:.4g}"
            interval = "" if figure.interval is None else "{:.4g} .. {:.4g}".format(*figure.interval)
            lines.append((figure.task, figure.name, value, interval, figure.note))
        return f"{head}\n\n{table(lines)}"


@torch.no_grad()
def evaluate(
    embeddings: Tensor,
    labels: Tensor,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    similarity: Similarity = "cosine",
    *,
    gallery_samples: int = 1,
    unmated: float = 0.5,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Verification, identification, retrieval and geometry of labelled embeddings, exact and in bounded memory.

    Every figure is refused, with the reason, where the data cannot carry it.

    Args:
        embeddings: (N, D), any floating dtype.
        labels: (N,) integers, the subject of each row.
        far: false accept rates of verification and false alarm rates of identification, each in (0, 1].
        similarity: "cosine" or "euclidean".
        gallery_samples: samples of a subject in the gallery of identification; the other rows are probes.
        unmated: share of the subjects that the gallery lacks.
        resamples: draws of subjects for the intervals; 0 for none.
        confidence: of the intervals, between 0 and 1.
        seed: of the draws, of the gallery and of clustering.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: shapes that do not fit, rows that are not finite, settings out of range.

    Reference: those of `verification`, `verification_intervals`, `identification`, `retrieval` and `geometry`.

    Example:
        >>> x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
        >>> found = evaluate(x, torch.arange(40) // 4, far=(0.1,), resamples=50)
        >>> found.samples, found.subjects, found.verification.genuine
        (40, 10, 60)
    """
    check_embeddings(embeddings)
    check_integers("labels", labels, (len(embeddings),), "one subject a row")
    for rate in far:
        if not 0 < rate <= 1:
            raise ValueError(f"far holds {rate}, expected rates in (0, 1]: 0.1 percent is 1e-3")
    in_detail = verification_in_detail(
        embeddings, labels, far, similarity, resamples=resamples, confidence=confidence, seed=seed
    )
    counts = labels.unique(return_counts=True)[1]
    identified = found = shape = None
    if len(counts) > 1 and int(counts.max()) > 1:
        split = gallery_probe_split(labels, samples=gallery_samples, unmated=unmated, seed=seed)
        if len(split.gallery):
            gallery, probes = (part.to(embeddings.device) for part in (split.gallery, split.probes))
            identified = identification(
                embeddings[gallery], labels[gallery], embeddings[probes], labels[probes], far=tuple(far),
                similarity=similarity, resamples=resamples, confidence=confidence, seed=seed,
            )  # fmt: skip
        found = retrieval(
            embeddings, labels, similarity=similarity,
            restarts=3 if len(labels) * len(counts) <= CLUSTERED else 0,
            resamples=resamples, confidence=confidence, seed=seed,
        )  # fmt: skip
        shape = geometry(embeddings, labels)
    return Evaluation(
        len(labels), len(counts), in_detail.figures, in_detail.intervals, identified, found, shape, in_detail.details,
        confidence,
    )  # fmt: skip


@torch.no_grad()
def evaluate_pairs(
    scores: Tensor,
    same: Tensor,
    subjects: Tensor | None = None,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    *,
    rows: Tensor | None = None,
    folds: int | Tensor | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """The same of pairs whose scores are known: verification alone.

    Args:
        scores: (N,), higher for pairs that are more alike.
        same: (N,) bool.
        subjects: (N, 2) integers, the subjects of both ends; None where they are not known.
        far: the false accept rates asked for.
        rows: (N, 2) integers, what both ends of a pair are called in the details; None for the pair's position.
        folds: for `fold_accuracy`, how many or the fold of each pair; None for no accuracy.
        resamples: draws for the intervals; 0 for none.
        confidence: of the intervals.
        seed: of the draws.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: as `pairs_in_detail` and `fold_accuracy`.

    Example:
        >>> scores, same = torch.tensor([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]).repeat(4), (torch.arange(6) < 3).repeat(4)
        >>> round(evaluate_pairs(scores, same, far=(0.3,), resamples=0).verification.tar[0].tar, 6)
        0.666667
    """
    found: InDetail = pairs_in_detail(
        scores, same, subjects, far, rows=rows, resamples=resamples, confidence=confidence, seed=seed
    )
    count = 0 if subjects is None else len(subjects.unique())
    accuracy = None if folds is None else fold_accuracy(scores, same, folds)
    return Evaluation(
        len(scores), count, found.figures, found.intervals, None, None, None, found.details, confidence, accuracy
    )


def _of_verification(found: Verification, intervals: VerificationIntervals | None) -> list[Figure]:
    lines = []
    for place, at in enumerate(found.tar):
        interval = None if intervals is None else intervals.tar[place]
        lines.append((f"TAR at FAR {at.far:g}", f"tar@{at.far:g}", at.tar, at.threshold, interval))
    eer, auc, cost = (None, None, None) if intervals is None else (intervals.eer, intervals.auc, intervals.min_dcf)
    lines.append(("EER", "eer", found.eer, found.eer_threshold, eer))
    lines.append(("AUC", "auc", found.auc, None, auc))
    lines.append(("minDCF", "min_dcf", found.min_dcf, found.min_dcf_threshold, cost))
    return [
        Figure("verification", name, value, interval, found.refused[key] if value is None else _at(threshold))
        for name, key, value, threshold, interval in lines
    ]


def _of_folds(found: FoldAccuracy) -> list[Figure]:
    name = f"accuracy, {len(found.accuracies)} folds"
    return [Figure("verification", name, found.mean, None, f"standard error {found.standard_error:.4g}")]


def _of_identification(found: Identification) -> list[Figure]:
    task, lines = "identification", []
    for rank in (1, 5, 10):
        if found.cmc is None:
            lines.append(Figure(task, f"rank {rank}", None, None, "no probe has a mate in the gallery"))
        elif rank <= len(found.cmc):
            interval = found.rank_1_interval if rank == 1 else None
            lines.append(Figure(task, f"rank {rank}", found.cmc[rank - 1], interval, ""))
    for at in found.open_set:
        note = at.reason or "" if at.dir is None else _at(at.threshold)
        lines.append(Figure(task, f"DIR at FAR {at.far:g}", at.dir, at.interval, note))
    return lines


def _of_retrieval(found: Retrieval) -> list[Figure]:
    task = "retrieval"
    lines = [
        Figure(task, f"R@{k}", value, found.recall_interval if place == 0 else None, "")
        for place, (k, value) in enumerate(zip(found.recall_at, found.recall, strict=True))
    ]
    lines.append(Figure(task, "R-precision", found.r_precision, None, ""))
    lines.append(Figure(task, "MAP@R", found.map_at_r, found.map_at_r_interval, ""))
    for name, value in (("NMI", found.nmi), ("AMI", found.ami)):
        lines.append(Figure(task, name, value, None, "too many rows and classes to cluster" if value is None else ""))
    return lines


def _of_geometry(found: Geometry) -> list[Figure]:
    return [
        Figure("geometry", name, value, None, note)
        for name, value, note in (
            ("angle to the own mean", found.mean_intra_angle, "radians, mean over rows"),
            ("angle between means", found.mean_inter_angle, "radians, mean over pairs of subjects"),
            ("smallest angle between means", found.min_inter_angle, "radians"),
            ("Fisher ratio", found.fisher_ratio, "between over within"),
            ("angular Fisher score", found.angular_fisher_score, "within over between"),
            ("mean norm", found.mean_norm, ""),
        )
    ]


def _at(threshold: float | None) -> str:
    return "" if threshold is None else f"at {threshold:.6g}"
