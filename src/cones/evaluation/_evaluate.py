"""One call for an open-set evaluation."""

from collections.abc import Sequence

from ._arrays import Array
from ._bootstrap import Bootstrap
from ._evaluation import Evaluation
from ._options import EvaluationOptions, evaluation_of_pairs
from .progress import Progress, silent
from .similarity import Similarity
from .verification import VerificationSettings


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
        resamples: resamples of subjects for the intervals; 0 for none.
        confidence: of the intervals, between 0 and 1.
        seed: of the resamples, of the gallery and of clustering.
        progress: reports the steps that are done.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: shapes that do not fit, rows that are not finite, settings out of range.

    Reference: those of `verification`, `verification_intervals`, `identification`, `retrieval` and `geometry`.

    Example:
        >>> import torch
        >>> x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
        >>> e = evaluate(x, torch.arange(40) // 4, far=(0.1,), resamples=50)
        >>> e.samples, e.subjects, e.verification.genuine
        (40, 10, 60)
    """
    options = EvaluationOptions(
        tuple(far), similarity, resamples, confidence, seed, p_target, costs, min_pairs, gallery_samples, unmated
    )
    return options.evaluate(embeddings, labels, progress)


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
    """Verification of pairs whose scores are known.

    Args:
        scores: (N,), higher for pairs that are more alike.
        same: (N,) bool.
        subjects: (N, 2) integers or text, the subjects of both ends, -1 for one that is not known; None where none is.
        far: the requested false accept rates.
        rows: (N, 2) integers, the numbers of both ends of a pair in the details; None for the pair's position.
        folds: for `fold_accuracy`, their number or the fold of each pair; None for no accuracy.
        p_target, costs, min_pairs: as of `verification`.
        resamples: for the intervals; 0 for none.
        confidence: of the intervals.
        seed: of the resamples.
        progress: reports the steps that are done.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: as `pairs_in_detail` and `fold_accuracy`.

    Example:
        >>> import torch
        >>> scores, same = torch.tensor([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]).repeat(4), (torch.arange(6) < 3).repeat(4)
        >>> round(evaluate_pairs(scores, same, far=(0.3,), resamples=0).verification.tar[0].tar, 6)
        0.666667
    """
    settings, bootstrap = VerificationSettings(far, p_target, costs, min_pairs), Bootstrap(resamples, confidence, seed)
    return evaluation_of_pairs(scores, same, subjects, settings, bootstrap, rows=rows, folds=folds, progress=progress)
