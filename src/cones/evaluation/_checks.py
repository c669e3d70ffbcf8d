"""Conversion and validation of arguments: embeddings, labels, scored pairs."""

import torch
from torch import Tensor

from ._arrays import Array, as_features, as_labels, as_tensor, strangers_apart


def labelled_rows(embeddings: Array, labels: Array) -> tuple[Tensor, Tensor, tuple[str, ...] | None]:
    """Return embeddings (N, D) and labels (N,) as tensors, checked, and the names that text labels index."""
    rows = as_features("embeddings", embeddings)
    check_floats("embeddings", rows)
    check_finite("embeddings", rows)
    numbers, names = as_labels("labels", labels)
    check_labels("labels", numbers, len(rows))
    return rows, numbers, names


def scored_pairs(scores: Array, same: Array, name: str = "scores") -> tuple[Tensor, Tensor]:
    """Return scores (N,) without NaN and same (N,) bool as tensors; `name` is that of the scores."""
    numbers, kinds = as_features(name, scores), as_tensor("same", same)
    if numbers.ndim != 1 or not numbers.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(numbers.shape)} and dtype {numbers.dtype}, expected (N,) floats: one score per "
            "pair"
        )
    if kinds.shape != numbers.shape or kinds.dtype != torch.bool:
        raise ValueError(
            f"same has shape {tuple(kinds.shape)} and dtype {kinds.dtype}, expected ({len(numbers)},) bool: "
            "true where both ends of the pair are of one subject"
        )
    wrong = numbers.isnan().nonzero()
    if len(wrong):
        raise ValueError(f"{name}[{int(wrong[0])}] is nan, expected a number: drop the pair, or fix the score")
    return numbers, kinds


def scored_pairs_of_both_kinds(scores: Array, same: Array, name: str = "scores") -> tuple[Tensor, Tensor]:
    """Return `scored_pairs` with a genuine and an impostor pair at least."""
    numbers, kinds = scored_pairs(scores, same, name)
    if bool(kinds.all()) or not bool(kinds.any()):
        raise ValueError(f"same is true in {int(kinds.sum())} of {len(kinds)} pairs, expected both kinds of pairs")
    return numbers, kinds


def check_bounded(scores: Tensor) -> None:
    """Raise unless no score is infinite."""
    wrong = scores.isinf().nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(f"scores[{place}] is {scores[place].item()}, expected a finite number")


def subjects_of_pairs(subjects: Array | None, pairs: int) -> tuple[Tensor | None, bool]:
    """Return the subjects (N, 2) of N pairs, each unknown one numbered apart, and whether there are unknown ones."""
    if subjects is None:
        return None, False
    numbers, _ = as_labels("subjects", subjects)
    check_integers("subjects", numbers, (pairs, 2), "the subjects of both ends of each pair")
    apart = strangers_apart(numbers, "subjects")
    return apart, apart is not numbers


def check_matrix(name: str, rows: Tensor) -> None:
    """Raise unless rows is (N, D)."""
    if rows.ndim != 2:
        raise ValueError(f"{name} has shape {tuple(rows.shape)}, expected (N, D): one row per sample")


def check_floats(name: str, rows: Tensor) -> None:
    """Raise unless rows is (N, D) of a floating dtype."""
    check_matrix(name, rows)
    if not rows.is_floating_point():
        raise ValueError(f"{name} has dtype {rows.dtype}, expected a floating dtype: convert with {name}.float()")


def check_finite(name: str, rows: Tensor) -> None:
    """Raise unless all numbers of rows (N, D) are finite."""
    wrong = (~rows.isfinite()).any(dim=1).nonzero()
    if len(wrong):
        raise ValueError(f"{name}[{int(wrong[0])}] is not finite, expected numbers: drop the row, or fix the network")


def check_labels(name: str, labels: Tensor, rows: int) -> None:
    """Raise unless labels is (rows,) of integers."""
    check_integers(name, labels, (rows,), "one label per row")


def check_integers(name: str, values: Tensor, shape: tuple[int, ...], meaning: str) -> None:
    """Raise unless values are integers of this shape; `meaning` is for the error."""
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(values.shape)}, expected {shape}: {meaning}")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise ValueError(f"{name} has dtype {values.dtype}, expected integers, {meaning}: convert with {name}.long()")


def check_other_rows(name: str, pairs: Tensor) -> None:
    """Raise where one of the pairs (P, 2) is a row with itself."""
    alone = (pairs[:, 0] == pairs[:, 1]).nonzero()
    if len(alone):
        place = int(alone[0])
        raise ValueError(
            f"{name}[{place}] is {pairs[place].tolist()}, a row with itself, expected two different rows: drop the pair"
        )
