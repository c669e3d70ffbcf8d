"""Inner products and distances of many vectors, a block of them at a time.

N rows, D dims, K classes, C classes of a block.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..common.transforms import in_transform

BLOCK = 2**22
"""Entries of the largest array of products: 16 MiB in float32. A few such arrays live at once."""


def blocks(vectors: Tensor, width: int) -> Iterator[tuple[int, Tensor]]:
    """Cut vectors (K, D) so that `width` products with each vector of a block make at most BLOCK entries.

    Yields:
        the number of a block's first vector, and its vectors (C, D).
    """
    start = 0
    # split, for its backward writes the gradient of all blocks once
    for block in vectors.split(max(1, BLOCK // max(width, 1))):
        yield start, block
        start += len(block)


def recomputed(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """function(*tensors), keeping only the tensors for the backward; what lies between is computed again there.

    Inside of torch.func, which has no such means, all is kept.
    """
    if in_transform():
        return function(*tensors)
    result: Tensor = checkpoint(function, *tensors, use_reentrant=False, preserve_rng_state=False)
    return result


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """a_i . b_j of a (N, D) and b (C, D): (N, C), in their own precision whatever autocast says."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b.T


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2 = |a_i|^2 + |b_j|^2 - 2 a_i . b_j of a (N, D) and b (C, D): (N, C)."""
    lengths = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1)
    return lengths - 2 * inner_products(a, b)


def to_others(x: Tensor, block: Tensor, local_labels: Tensor) -> Tensor:
    """|x_i - w_j|^2 (N, C) to the classes of a block, infinite where w_j is the row's own class.

    Args:
        x: (N, D) unit vectors.
        block: (C, D) unit vectors.
        local_labels: (N,) column of the row's own class in the block; outside of 0..C-1 if it is not in it.
    """
    own = local_labels[:, None] == torch.arange(len(block), device=local_labels.device)
    return squared_distances(x, block).masked_fill(own, torch.inf)
