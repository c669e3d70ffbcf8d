"""What is asked of the arrays and numbers that come in."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_scores(scores: Tensor, same: Tensor) -> None:
    """Raise unless scores is (N,) without NaN and same (N,) bool."""
    if scores.ndim != 1 or not scores.is_floating_point():
        raise ValueError(
            f"scores has shape {tuple(scores.shape)} and dtype {scores.dtype}, expected (N,) floats: one score a pair"
        )
    if same.shape != scores.shape or same.dtype != torch.bool:
        raise ValueError(
            f"same has shape {tuple(same.shape)} and dtype {same.dtype}, expected ({len(scores)},) bool: "
            "true where both ends of the pair are of one subject"
        )
    wrong = scores.isnan().nonzero()
    if len(wrong):
        raise ValueError(f"scores[{int(wrong[0])}] is nan, expected a number: drop the pair, or find what made it")


def check_settings(far: Sequence[float], p_target: float, costs: tuple[float, float], min_pairs: int) -> None:
    """Raise unless the asked rates, the prior, the two costs and the smallest number of pairs are in range."""
    for rate in far:
        if not 0 <= rate <= 1:
            raise ValueError(f"far holds {rate}, expected rates in [0, 1]: 0.1 percent is 1e-3")
    if not 0 < p_target < 1:
        raise ValueError(f"p_target is {p_target}, expected a probability in (0, 1)")
    if not all(cost > 0 for cost in costs):
        raise ValueError(f"costs is {costs}, expected two numbers above 0: of a miss, of a false alarm")
    if min_pairs < 1:
        raise ValueError(f"min_pairs is {min_pairs}, expected at least 1: a rate of no pairs is no number")


def check_embeddings(embeddings: Tensor) -> None:
    """Raise unless embeddings is (N, D), real and finite."""
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise ValueError(
            f"embeddings has shape {tuple(embeddings.shape)} and dtype {embeddings.dtype}, "
            "expected (N, D) floats: one row a sample"
        )
    wrong = (~embeddings.isfinite()).any(dim=1).nonzero()
    if len(wrong):
        raise ValueError(f"embeddings[{int(wrong[0])}] is not finite, expected numbers: drop the row")


def check_integers(name: str, values: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise unless values are integers of this shape; `what` says what they stand for."""
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(values.shape)}, expected {shape}: {what}")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise ValueError(f"{name} has dtype {values.dtype}, expected integers: {what}")
