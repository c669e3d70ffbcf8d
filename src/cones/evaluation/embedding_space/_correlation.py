"""Rank correlation."""

import torch
from torch import Tensor

from .._arrays import Array, as_tensor


def rank_correlation(a: Array, b: Array) -> float | None:
    """Spearman's rank correlation, in -1..1, of two samples in any monotonic relation.

        rho = sum (r_i - r)(q_i - q) / sqrt(sum (r_i - r)^2 sum (q_i - q)^2)

    r and q are the ranks of a and b, r and q without index their means; equal numbers share the mean of their ranks.
    Between feature norms and quality scores, or correct classification, it measures how well the norm indicates the
    quality of a sample.

    Args:
        a: (N,) numbers or truth values.
        b: (N,) numbers or truth values.

    Returns:
        The correlation; None where all of a or all of b are equal, or for fewer than two.

    Raises:
        ValueError: shapes that differ, or nan.

    Reference: Spearman, "The Proof and Measurement of Association between Two Things", American Journal of Psychology
    15, 1904.

    Example:
        >>> rank_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 5.0, 50.0]))
        1.0
    """
    a, b = as_tensor("a", a), as_tensor("b", b)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}, expected (N,) both")
    for name, values in (("a", a), ("b", b)):
        if bool(values.isnan().any()):
            raise ValueError(f"{name}[{int(values.isnan().nonzero()[0])}] is nan, expected a number: leave it out")
    if len(a) < 2:
        return None
    r, q = _centred_ranks(a), _centred_ranks(b)
    length = ((r @ r) * (q @ q)).sqrt()
    return float((r @ q / length).clamp(-1, 1)) if length > 0 else None


def _centred_ranks(values: Tensor) -> Tensor:
    """Ranks less their mean, float64; whole and half numbers, so that equal values are exactly 0 apart."""
    _, index, counts = torch.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).to(torch.float64)
    ranks: Tensor = ends - (counts - 1) / 2
    return ranks[index] - (len(values) + 1) / 2
