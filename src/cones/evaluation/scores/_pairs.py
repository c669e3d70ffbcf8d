from collections.abc import Sequence

import torch
from torch import Tensor

from ...common.unit_vectors import direction
from .. import blocks as _blocks
from .._arrays import Array, as_features, as_tensor
from ..blocks import check_rows
from ..similarity import Similarity, score_named


def pair_scores(features: Array, pairs: Array, similarity: Similarity = "cosine") -> Tensor:
    """Scores of pairs of rows; larger is more alike.

        cosine:    x_i . x_j / (|x_i| |x_j|), in -1..1; 0 where one of them is 0
        euclidean: -|x_i - x_j|, of the features as they are

    These are the scores of `verification_of_all_pairs`, `identification` and `top_k` to the last bit, so that a
    threshold decides here as it does there: coordinates are rounded to 2^-26 of a unit vector (2^-25 of the longest
    row of features for "euclidean"), and everything after is exact.

    Args:
        features: (N, D), any floating dtype.
        pairs: (P, 2) integers, rows of features.
        similarity: "cosine" or "euclidean".

    Returns:
        (P,) float64.

    Raises:
        ValueError: wrong shapes, numbers that are not finite, rows that are not there, or an unknown similarity.

    Example:
        >>> x = torch.tensor([[3.0, 4.0], [4.0, 3.0]])
        >>> pair_scores(x, torch.tensor([[0, 1]])), pair_scores(x, torch.tensor([[0, 1]]), "euclidean")
        (tensor([0.9600], dtype=torch.float64), tensor([-1.4142], dtype=torch.float64))
    """
    features, pairs = as_features("features", features), as_tensor("pairs", pairs)
    check_rows(features)
    check_pairs(pairs, len(features))
    measure = score_named(similarity, features)
    scores = torch.empty(len(pairs), dtype=torch.float64, device=features.device)
    step = max(1, _blocks.BLOCK // max(features.shape[1], 1))
    for start in range(0, len(pairs), step):
        first, second = (measure.vectors(features[rows]) for rows in pairs[start : start + step].unbind(1))
        scores[start : start + step] = measure.unfold(measure.paired(first, second))
    return scores


def combine_embeddings(views: Sequence[Array] | Tensor, unit: bool = True) -> Tensor:
    """Combine the embeddings of several views of each image, such as the image and its mirror image, or crops.

        x = sum_v u_v / |sum_v u_v|,   u_v = x_v / |x_v|

    Args:
        views: one (N, D) per view, the images in the same order; also one (V, N, D).
        unit: False to sum the x_v themselves, so that the longer ones count more.

    Returns:
        (N, D) unit rows, float64; 0 where the sum is 0.

    Raises:
        ValueError: no view, wrong shapes, or numbers that are not finite.

    Example:
        >>> combine_embeddings([torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])])
        tensor([[0.7071, 0.7071]], dtype=torch.float64)
    """
    if len(views) == 0:
        raise ValueError("views is empty, expected at least one (N, D)")
    given = [as_features(f"views[{number}]", view) for number, view in enumerate(views)]
    for number, rows in enumerate(given):
        check_rows(rows, f"views[{number}]")
        if rows.shape != given[0].shape:
            raise ValueError(
                f"views[{number}] has shape {tuple(rows.shape)}, expected {tuple(given[0].shape)}, that of views[0]"
            )
    total = torch.zeros(given[0].shape, dtype=torch.float64, device=given[0].device)
    for view in given:
        rows = view.detach().to(torch.float64)
        total += direction(rows)[0] if unit else rows
    return direction(total)[0]


def check_pairs(pairs: Tensor, num_rows: int) -> None:
    """Raise ValueError unless pairs are (P, 2) of integers in 0..num_rows-1."""
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"pairs has shape {tuple(pairs.shape)}, expected (P, 2): two rows of features per pair")
    if pairs.is_floating_point() or pairs.dtype == torch.bool:
        raise ValueError(f"pairs has dtype {pairs.dtype}, expected integers: convert with pairs.long()")
    wrong = ((pairs < 0) | (pairs >= num_rows)).any(dim=1).nonzero()
    if len(wrong):
        pair = int(wrong[0])
        raise ValueError(f"pairs[{pair}] is {pairs[pair].tolist()}, but features has {num_rows} rows: expected 0..N-1")
