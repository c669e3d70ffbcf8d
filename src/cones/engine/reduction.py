"""Reduction of per-row losses: focal factor, weights, mean or sum. N rows."""

import torch
from torch import Tensor


def focus(cross_entropy: Tensor, focal: float) -> Tensor:
    """(1 - p)^focal with p = exp(-cross_entropy), the probability of the own class; (N,) from (N,)."""
    # the smallest number keeps the slope of the power finite where p is 1
    return (-torch.expm1(-cross_entropy)).clamp(min=torch.finfo(cross_entropy.dtype).tiny) ** focal


def reduce_weighted(losses: Tensor, weights: Tensor | None, reduction: str) -> Tensor:
    """As `reduce`, each row counted by its weight (N,); the mean is over the sum of weights."""
    if weights is None:
        return reduce(losses, reduction)
    weighted = losses * weights.to(losses.dtype)
    if reduction == "mean":
        return weighted.sum() / weights.to(losses.dtype).sum().clamp(min=torch.finfo(losses.dtype).tiny)
    return reduce(weighted, reduction)


def reduce(losses: Tensor, reduction: str) -> Tensor:
    """losses (N,) as they are ("none"), their "sum", or their "mean", which is 0 for no rows."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.sum() / max(len(losses), 1)
    raise ValueError(f"reduction is {reduction!r}, expected 'none', 'mean' or 'sum'")
