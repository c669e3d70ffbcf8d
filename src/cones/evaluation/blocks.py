"""Labelled rows in float64, in blocks that hold about BLOCK numbers each, however many rows there are."""

# N rows, D dims, C classes that occur.

from collections.abc import Iterator

import torch
from torch import Tensor

from ._arrays import UNKNOWN, Array, as_features, as_labels, as_tensor
from ._checks import check_finite, check_labels, check_matrix

BLOCK = 2**21
ROUNDING = 1e-12
"""A sum below this share of its terms counts as 0."""


def check_rows(features: Tensor, name: str = "features") -> None:
    """Raise ValueError unless features are (N, D) of finite numbers with N ≥ 1."""
    check_matrix(name, features)
    if len(features) == 0:
        raise ValueError(f"{name} has no rows, expected at least one")
    check_finite(name, features)


def labelled(features: Array, labels: Array) -> tuple[Tensor, Tensor, Tensor]:
    """Features and labels as tensors, checked, of the rows (N,) whose subject is known; and the mask of these rows."""
    rows, (numbers, _) = as_features("features", features), as_labels("labels", labels)
    check_rows(rows)
    check_labels("labels", numbers, len(rows))
    known = numbers != UNKNOWN
    if not bool(known.any()):
        raise ValueError("labels is -1 in all rows, unknown subjects: expected a row of a known one")
    return rows[known.to(rows.device)], numbers[known], known


def beside(name: str, values: Array | None, known: Tensor) -> Tensor | None:
    """The rows of an array beside the features whose subject is known, as a tensor."""
    if values is None:
        return None
    given = as_tensor(name, values)
    if given.ndim == 0 or len(given) != len(known):
        raise ValueError(f"{name} has shape {tuple(given.shape)}, expected ({len(known)},): one per row of features")
    return given[known.to(given.device)]


def check(features: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless there are two classes with a row each."""
    check_matrix("features", features)
    check_labels("labels", labels, len(features))
    if len(features) == 0:
        raise ValueError("features has no rows; geometry needs at least two classes with a row each")
    if bool((labels == labels[0]).all()):
        raise ValueError(f"labels holds one class only ({int(labels[0])}); angles between classes need two or more")


def classes(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's place (N,) among the labels that occur, and the number of rows of each of them (C,)."""
    _, index, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    return index, counts


def check_range(labels: Tensor, num_classes: int, name: str, unit: str) -> None:
    """Raise ValueError unless labels (N,) are in 0..num_classes-1."""
    wrong = ((labels < 0) | (labels >= num_classes)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"labels[{row}] is {int(labels[row])}, but {name} has {num_classes} {unit}: expected 0..K-1")


def blocks(values: Tensor, index: Tensor, columns: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of rows in float64 with their indices; `columns`: width of what the caller computes from them."""
    start = 0
    for rows in block_rows(values, columns):
        yield rows, index[start : start + len(rows)].long()
        start += len(rows)


def block_rows(values: Tensor, columns: int = 1) -> Iterator[Tensor]:
    """Blocks of rows in float64; `columns`: width of the arrays that the caller computes from them."""
    step = max(1, BLOCK // max(values.shape[1], columns, 1))
    for start in range(0, len(values), step):
        yield values[start : start + step].detach().to(torch.float64)


def sum_blocks(blocks: Iterator[Tensor]) -> float:
    """The sum over all numbers of all blocks."""
    return sum(block.sum().item() for block in blocks)


def mean_direction(x: Tensor) -> Tensor:
    """Directions of means of unit rows; a mean that is zero up to rounding becomes exactly zero."""
    norm = x.norm(dim=-1, keepdim=True)
    return torch.where(norm > 1e-14, x / norm.clamp_min(1e-300), 0.0)


def one_minus_cosine(a: Tensor, b: Tensor) -> Tensor:
    """1 - cos of rows that are unit or zero, as half a squared distance, which is exact where they meet."""
    nonzero = a.ne(0).any(1) & b.ne(0).any(1)
    return torch.where(nonzero, (a - b).square().sum(1) / 2, 1.0)
