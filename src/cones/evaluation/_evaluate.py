"""One call for an open-set evaluation."""

from collections.abc import Sequence

import torch

from ._arrays import UNKNOWN, Array, as_features, as_labels, as_tensor, known_rows
from ._evaluation import Evaluation
from .embedding_space.geometry import geometry
from .progress import Progress, silent
from .search._identification import identification
from .search._retrieval import retrieval
from .search._split import gallery_probe_split
from .search.scores import Similarity
from .verification import pairs_in_detail, verification_in_detail
from .verification._check import check_embeddings, check_integers
from .verification._folds import accuracy_of_folds

CLUSTERED = 2**23
"""Rows times classes up to which k-means is run for NMI and AMI."""


@torch.no_grad()
def evaluate(
    embeddings: Array,
    labels: Array,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    similarity: Similarity = "cosine",
    *,
    gallery_samples: int = 1,
    unmated: float = 0.5,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Verification, identification, retrieval and geometry of labelled embeddings, exact and in bounded memory.

    Every figure is refused, with the reason, where the data cannot carry it.

    Args:
        embeddings: (N, D), any floating dtype.
        labels: (N,) integers or text, the subject of each row. -1 is a subject that is not known: its row pairs as an
            impostor with every row, is a probe without a mate, and has no part in geometry and clusters.
        far: false accept rates of verification and false alarm rates of identification, each in (0, 1].
        similarity: "cosine", or "euclidean" for minus the distance, in the unit of the embeddings.
        gallery_samples: samples of a subject in the gallery of identification; the other rows are probes.
        unmated: share of the subjects that the gallery lacks.
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws of subjects for the intervals; 0 for none.
        confidence: of the intervals, between 0 and 1.
        seed: of the draws, of the gallery and of clustering.
        progress: is told of what is done.

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
    embeddings = as_features("embeddings", embeddings)
    check_embeddings(embeddings)
    labels, names = as_labels("labels", labels)
    check_integers("labels", labels, (len(embeddings),), "one subject a row")
    for rate in far:
        if not 0 < rate <= 1:
            raise ValueError(f"far holds {rate}, expected rates in (0, 1]: 0.1 percent is 1e-3")
    in_detail = verification_in_detail(
        embeddings, labels, far, similarity, p_target=p_target, costs=costs, min_pairs=min_pairs,
        resamples=resamples, confidence=confidence, seed=seed, progress=progress,
    )  # fmt: skip
    rows, known = known_rows(embeddings, labels)
    counts = known.unique(return_counts=True)[1]
    unknown = len(labels) - len(known)
    identified = retrieved = shape = None
    if len(counts) + unknown > 1 and len(counts) > 0 and int(counts.max()) > 1:
        split = gallery_probe_split(labels, samples=gallery_samples, unmated=unmated, seed=seed)
        if len(split.gallery):
            gallery, probes = (part.to(embeddings.device) for part in (split.gallery, split.probes))
            identified = identification(
                embeddings[gallery], labels[split.gallery], embeddings[probes], labels[split.probes], far=tuple(far),
                similarity=similarity, resamples=resamples, confidence=confidence, seed=seed, progress=progress,
            )  # fmt: skip
        retrieved = retrieval(
            embeddings, labels, similarity=similarity,
            restarts=3 if len(labels) * len(counts) <= CLUSTERED else 0,
            resamples=resamples, confidence=confidence, seed=seed, progress=progress,
        )  # fmt: skip
        shape = geometry(rows, known) if len(counts) > 1 else None
    return Evaluation(
        len(labels), len(counts), in_detail.figures, in_detail.intervals, identified, retrieved, shape,
        in_detail.details, confidence,
        unknown=unknown, zero_rows=in_detail.figures.zero_rows, subject_names=names,
    )  # fmt: skip


@torch.no_grad()
def evaluate_pairs(
    scores: Array,
    same: Array,
    subjects: Array | None = None,
    far: Sequence[float] = (1e-2, 1e-3, 1e-4),
    *,
    rows: Array | None = None,
    folds: int | Array | None = None,
    p_target: float = 0.01,
    costs: tuple[float, float] = (1.0, 1.0),
    min_pairs: int = 10,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """The same of pairs whose scores are known: verification alone.

    Args:
        scores: (N,), higher for pairs that are more alike.
        same: (N,) bool.
        subjects: (N, 2) integers or text, the subjects of both ends, -1 for one that is not known; None where none is.
        far: the false accept rates asked for.
        rows: (N, 2) integers, what both ends of a pair are called in the details; None for the pair's position.
        folds: for `fold_accuracy`, how many or the fold of each pair; None for no accuracy.
        p_target, costs, min_pairs: as of `verification`.
        resamples: draws for the intervals; 0 for none.
        confidence: of the intervals.
        seed: of the draws.
        progress: is told of what is done.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: as `pairs_in_detail` and `fold_accuracy`.

    Example:
        >>> scores, same = torch.tensor([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]).repeat(4), (torch.arange(6) < 3).repeat(4)
        >>> round(evaluate_pairs(scores, same, far=(0.3,), resamples=0).verification.tar[0].tar, 6)
        0.666667
    """
    scores, same = as_tensor("scores", scores), as_tensor("same", same)
    numbers = names = None
    if subjects is not None:
        numbers, names = as_labels("subjects", subjects)
    found = pairs_in_detail(
        scores, same, numbers, far, rows=rows, p_target=p_target, costs=costs, min_pairs=min_pairs,
        resamples=resamples, confidence=confidence, seed=seed, progress=progress,
    )  # fmt: skip
    accuracy = None
    if folds is not None:
        accuracy = accuracy_of_folds(scores, same, folds if isinstance(folds, int) else as_tensor("folds", folds))
    return Evaluation(
        0, 0 if numbers is None else len(numbers[numbers != UNKNOWN].unique()), found.figures, found.intervals,
        None, None, None, found.details, confidence, accuracy, subject_names=names,
    )  # fmt: skip
