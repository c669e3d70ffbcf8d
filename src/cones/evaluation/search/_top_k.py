"""The k nearest rows of a gallery, exactly and in bounded memory."""

import importlib
from typing import Any

import torch
from torch import Tensor

from ...common.unit_vectors import direction
from .._arrays import Array, as_features
from ..similarity import BLOCK, Similarity, block_sides, check_features, score_named, slices

BACKENDS = ("torch", "faiss")


def top_k(
    queries: Array,
    gallery: Array,
    k: int,
    *,
    similarity: Similarity = "cosine",
    exclude_self: bool = False,
    block: int = BLOCK,
    backend: str = "torch",
) -> tuple[Tensor, Tensor]:
    """The k rows of `gallery` with the largest score, for each query.

        score = x·y / (‖x‖‖y‖)   or   -‖x - y‖

    Nearest first; of equal scores the smaller index comes first. A zero row has cosine 0 with everything. Coordinates
    are rounded to 2⁻²⁶ of a unit vector (2⁻²⁵ of the longest row for "euclidean"), about float32's own precision, and
    everything after is exact: neither `block` nor the device changes a bit of the result.

    Args:
        queries: (Q, D), any floating dtype.
        gallery: (M, D).
        k: 1..M, or 1..M-1 with `exclude_self`.
        similarity: "cosine" or "euclidean".
        exclude_self: query i never finds row i of the gallery, which must have as many rows.
        block: approximate number of float64 numbers held at once, beside the result.
        backend: "torch"; or "faiss", if it is installed, with its flat index: float32, ties in faiss's order.

    Returns:
        Scores (Q, k) in float64 and indices (Q, k).

    Raises:
        ValueError: shapes that do not fit, rows that are not finite, k out of range, unknown similarity or backend.
        ImportError: backend "faiss" without faiss.

    Example:
        >>> gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> scores, indices = top_k(torch.tensor([[0.0, 3.0]]), gallery, k=3)
        >>> scores.tolist(), indices.tolist()
        ([[1.0, 1.0, 0.0]], [[1, 2, 0]])
    """
    queries, gallery = as_features("queries", queries), as_features("gallery", gallery)
    check_features("queries", queries)
    check_features("gallery", gallery, beside=queries)
    if exclude_self and len(queries) != len(gallery):
        raise ValueError(f"exclude_self needs queries that are the gallery, got {len(queries)} and {len(gallery)} rows")
    most = len(gallery) - int(exclude_self)
    if not 1 <= k <= most:
        raise ValueError(f"k is {k}, expected 1..{most}: the gallery has {len(gallery)} rows")
    measure = score_named(similarity, queries, gallery)
    if backend == "faiss":
        return _faiss_top_k(queries, gallery, k, similarity, exclude_self)
    if backend != "torch":
        raise ValueError(f"backend is {backend!r}, expected one of {BACKENDS}")

    scores = torch.empty(len(queries), k, dtype=torch.float64, device=queries.device)
    indices = torch.empty(len(queries), k, dtype=torch.long, device=queries.device)
    rows, columns = block_sides(gallery, block, width=2 * k)
    for row in slices(len(queries), rows):
        x = measure.vectors(queries[row])
        best, index = scores[row][:, :0], indices[row][:, :0]
        for column in slices(len(gallery), columns):
            values = measure.scores(x, measure.vectors(gallery[column]))
            if exclude_self:
                _forbid_self(values, row, column)
            new, place = _largest(values, min(k, values.shape[1]))
            # the rows so far have the smaller indices, so that a stable sort keeps the order of ties
            best, order = torch.cat([best, new], 1).sort(dim=1, descending=True, stable=True)
            index = torch.cat([index, place + column.start], 1).gather(1, order)[:, :k]
            best = best[:, :k]
        scores[row], indices[row] = best, index
    return measure.unfold(scores), indices


def _largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row and their positions, ties by position."""
    largest, place = values.topk(k)
    place, order = place.sort(1)
    largest, order = largest.gather(1, order).sort(dim=1, descending=True, stable=True)
    place = place.gather(1, order)
    # topk may have left out a smaller place with the same score as the last one
    tied = ((values >= largest[:, -1:]).sum(1) > k).nonzero()[:, 0]
    if len(tied):
        place[tied] = values[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    return largest, place


def _forbid_self(values: Tensor, row: slice, column: slice) -> None:
    """Set the score of a row with itself to -inf."""
    start, stop = max(row.start, column.start), min(row.stop, column.stop)
    if start < stop:
        own = torch.arange(start, stop, device=values.device)
        values[own - row.start, own - column.start] = -torch.inf


def _faiss_top_k(
    queries: Tensor, gallery: Tensor, k: int, similarity: Similarity, exclude_self: bool
) -> tuple[Tensor, Tensor]:
    try:
        faiss: Any = importlib.import_module("faiss")
    except ImportError as error:
        raise ImportError(
            "backend is 'faiss', but faiss is not installed: pip install faiss-cpu, or 'torch'"
        ) from error
    x, y = (features.detach().to(torch.float64) for features in (queries, gallery))
    if similarity == "cosine":
        x, y = direction(x)[0], direction(y)[0]
    index = (faiss.IndexFlatIP if similarity == "cosine" else faiss.IndexFlatL2)(x.shape[1])
    index.add(y.float().cpu().numpy())
    nearest = index.search(x.float().cpu().numpy(), k + int(exclude_self))
    scores, indices = (torch.as_tensor(values).to(queries.device) for values in nearest)
    if exclude_self:
        # the row itself goes last; where it was not found among its equals the last one goes
        own = indices == torch.arange(len(indices), device=indices.device)[:, None]
        order = own.long().argsort(dim=1, stable=True)[:, :k]
        scores, indices = scores.gather(1, order), indices.gather(1, order)
    scores = scores.to(torch.float64)
    return (scores if similarity == "cosine" else -scores.clamp_min(0).sqrt()), indices
