"""Inputs of the search tests: random, tied, degenerate and tiny sets of embeddings with labels."""

import torch
from hypothesis import strategies as st
from torch import Tensor

KINDS = ("normal", "grid", "zeros", "same", "huge", "half")


def embeddings(seed: int, rows: int, dims: int, kind: str) -> Tensor:
    """(rows, dims); "grid" has few different directions and zero rows, so that most scores tie."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "grid":
        return torch.randint(-1, 2, (rows, dims), generator=generator).double()
    if kind == "zeros":
        return torch.zeros(rows, dims)
    if kind == "same":
        return torch.randn(1, dims, generator=generator).expand(rows, dims)
    x = torch.randn(rows, dims, generator=generator, dtype=torch.float64)
    if kind == "huge":
        return x * 10.0 ** torch.randint(-140, 140, (rows, 1), generator=generator).double()
    return x.half() if kind == "half" else x


def labels(seed: int, rows: int, classes: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.randint(-2, classes, (rows,), generator=generator) * 7


kinds = st.sampled_from(KINDS)
seeds = st.integers(0, 10_000)
blocks = st.sampled_from([1, 7, 40, 100, 2**21])
metrics = st.sampled_from(["cosine", "euclidean"])
