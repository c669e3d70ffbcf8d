from .._arrays import Array, as_features, as_labels, strangers_apart
from .._checks import check_labels
from ..progress import Progress, silent
from ..similarity import BLOCK, Similarity, check_features, score_named
from ._mates import best_scores


def rank_1(
    features: Array,
    labels: Array,
    *,
    similarity: Similarity = "cosine",
    block: int = BLOCK,
    progress: Progress = silent,
) -> float:
    """Rank-1 identification rate, leave one out: the share of samples whose nearest other sample is of their subject.

        #{i : max_{j ≠ i, y_j = y_i} s(i, j) > max_{y_j ≠ y_i} s(i, j)} / #{i : y_i has another sample}

    The `recall` at 1 of `retrieval`, for which two scores a row are kept instead of those of the largest class.

    Args:
        features: (N, D), any floating dtype.
        labels: (N,) integers or text, at least one of them twice; -1, an unknown subject, as of `retrieval`.
        similarity: "cosine" or "euclidean", see `top_k`.
        block: approximate number of float64 numbers held at once.
        progress: reports the queries that are done.

    Returns:
        the share, in 0..1. A tie with another subject counts against the sample.

    Raises:
        ValueError: shapes that do not fit, rows that are not finite, no label twice.

    Example:
        >>> import torch
        >>> rank_1(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), torch.tensor([0, 0, 1, 1]), similarity="euclidean")
        0.75
    """
    features = as_features("features", features)
    given, _ = as_labels("labels", labels)
    check_features("features", features)
    check_labels("labels", given, len(features))
    labels = strangers_apart(given).to(features.device)
    _, classes, counts = labels.unique(return_inverse=True, return_counts=True)
    queries = int((counts[classes] > 1).sum())
    if queries == 0:
        raise ValueError(f"labels has no class with two rows among its {len(labels)}: rank 1 needs a mate to find")
    blocks = best_scores(
        score_named(similarity, features), features, classes, features, classes,
        own=1, others=1, exclude_self=True, block=block, stage="queries", progress=progress,
    )  # fmt: skip
    # without a mate the own score is -inf, which is above no other; of a single class the others' is -inf
    return sum(int((best.own > best.others).sum()) for best in blocks) / queries
