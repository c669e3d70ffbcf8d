"""What is multiplied for the scores of all pairs, in float32: cosine, or negative squared Euclidean distance."""

from typing import Literal

import torch
from torch import Tensor

from cones.geometry import direction

from ._check import check_embeddings

Similarity = Literal["cosine", "euclidean"]
LONGEST = 2.0**62
"""Distances of rows up to this norm have finite squares in float32."""


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
