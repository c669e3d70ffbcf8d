"""Encoding of arbitrary labels as 0..K-1."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def encode(labels: Sequence[str] | npt.NDArray[np.generic]) -> tuple[tuple[str, ...], Tensor]:
    """Return the sorted class names and, for each label, the position of its name.

    Names that are all whole numbers are sorted as numbers, so that "10" follows "9".

    Args:
        labels: (N,) integers or strings; gaps are fine.

    Returns:
        The K class names, and the labels (N,) int64 in 0..K-1.

    Example:
        >>> encode(["10", "9", "10"])
        (('9', '10'), tensor([1, 0, 1]))
    """
    values, codes = np.unique(np.asarray(labels), return_inverse=True)
    names = [str(value) for value in values]
    order = list(range(len(names)))
    if all(re.fullmatch(r"-?\d+", name) for name in names):
        order.sort(key=lambda position: int(names[position]))
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return tuple(names[position] for position in order), torch.from_numpy(rank[codes.reshape(-1)])
