"""The score of a pair of embeddings, in float32: cosine, or negative squared Euclidean distance."""

from typing import Literal

import torch
from torch import Tensor

from cones.geometry import direction

from ._check import check_embeddings, check_integers

Similarity = Literal["cosine", "euclidean"]
BLOCK = 2**22
"""Numbers gathered at a time."""
LONGEST = 2.0**62
"""Distances of rows up to this norm have finite squares in float32."""


def pair_scores(embeddings: Tensor, pairs: Tensor, similarity: Similarity = "cosine") -> Tensor:
    """Scores of listed pairs of embeddings, higher for pairs that are more alike.

        "cosine": a·b / (|a| |b|),   "euclidean": -|a - b|^2

    Args:
        embeddings: (N, D), any floating dtype; a zero row has cosine 0 with everything.
        pairs: (P, 2) integers, the rows a and b of each pair.
        similarity: "cosine" or "euclidean".

    Returns:
        (P,) float32.

    Raises:
        ValueError: for shapes or types that do not fit, a row that is not finite, or a pair that names no row.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
        >>> pair_scores(x, torch.tensor([[0, 1], [0, 2]])).tolist()
        [0.0, 1.0]
        >>> pair_scores(x, torch.tensor([[0, 1], [0, 2]]), "euclidean").tolist()
        [-5.0, -4.0]
    """
    rows = float32_rows(embeddings, similarity)
    check_integers("pairs", pairs, (len(pairs), 2), "the two rows of each pair")
    wrong = ((pairs < 0) | (pairs >= len(rows))).any(dim=1).nonzero()
    if len(wrong):
        which = int(wrong[0])
        raise ValueError(f"pairs[{which}] is {pairs[which].tolist()}, expected two of the rows 0..{len(rows) - 1}")
    scores = rows.new_empty(len(pairs))
    step = max(1, BLOCK // max(rows.shape[1], 1))
    for start in range(0, len(pairs), step):
        a, b = rows[pairs[start : start + step].long()].unbind(dim=1)
        found = (a * b).sum(dim=1) if similarity == "cosine" else -(a - b).square().sum(dim=1)
        scores[start : start + step] = found
    return scores


@torch.no_grad()
def float32_rows(embeddings: Tensor, similarity: Similarity) -> Tensor:
    """What is multiplied: unit rows for the cosine, the rows themselves for the distance; float32 (N, D)."""
    check_embeddings(embeddings)
    if similarity not in ("cosine", "euclidean"):
        raise ValueError(f'similarity is {similarity!r}, expected "cosine" or "euclidean"')
    if similarity == "euclidean":
        rows = embeddings.float()
        longest = float(rows.norm(dim=1).max()) if len(rows) else 0.0
        if longest > LONGEST:
            raise ValueError(f"embeddings has a row of norm {longest:.3g}, whose squared distances overflow: scale it")
        return rows
    wide = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    return direction(wide)[0].float()
