"""Validation of input arrays."""

import torch
from torch import Tensor


def check_scores(scores: Tensor, same: Tensor) -> None:
    """Raise unless scores is (N,) without NaN and same (N,) bool."""
    if scores.ndim != 1 or not scores.is_floating_point():
        raise ValueError(
            f"scores has shape {tuple(scores.shape)} and dtype {scores.dtype}, expected (N,) floats: one score per pair"
        )
    if same.shape != scores.shape or same.dtype != torch.bool:
        raise ValueError(
            f"same has shape {tuple(same.shape)} and dtype {same.dtype}, expected ({len(scores)},) bool: "
            "true where both ends of the pair are of one subject"
        )
    wrong = scores.isnan().nonzero()
    if len(wrong):
        raise ValueError(f"scores[{int(wrong[0])}] is nan, expected a number: drop the pair, or fix the score")


def check_embeddings(embeddings: Tensor) -> None:
    """Raise unless embeddings is (N, D), real and finite."""
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise ValueError(
            f"embeddings has shape {tuple(embeddings.shape)} and dtype {embeddings.dtype}, "
            "expected (N, D) floats: one row per sample"
        )
    wrong = (~embeddings.isfinite()).any(dim=1).nonzero()
    if len(wrong):
        raise ValueError(f"embeddings[{int(wrong[0])}] is not finite, expected numbers: drop the row")


def check_integers(name: str, values: Tensor, shape: tuple[int, ...], meaning: str) -> None:
    """Raise unless values are integers of this shape; `meaning` is for the error."""
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(values.shape)}, expected {shape}: {meaning}")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise ValueError(f"{name} has dtype {values.dtype}, expected integers: {meaning}")


def check_other_rows(name: str, pairs: Tensor) -> None:
    """Raise where one of the pairs (P, 2) is a row with itself."""
    alone = (pairs[:, 0] == pairs[:, 1]).nonzero()
    if len(alone):
        place = int(alone[0])
        raise ValueError(
            f"{name}[{place}] is {pairs[place].tolist()}, a row with itself, expected two different rows: drop the pair"
        )
