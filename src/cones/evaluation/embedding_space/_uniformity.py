"""Alignment of the features of a class and uniformity of all on the sphere, over all pairs."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ...common.checks import check_positive
from ...common.unit_vectors import direction
from .. import blocks as _blocks
from .._arrays import Array, as_features
from ..blocks import check_rows, labelled


def alignment(features: Array, labels: Array, alpha: float = 2.0) -> float | None:
    """Alignment: mean distance of two features of one class; 0 is perfect, smaller is better.

        L_align = mean |u_i - u_j|^alpha over all pairs i < j with y_i = y_j,   u = x / |x|

    Every pair counts once, so a class of n rows counts n (n - 1) / 2 times. A zero feature stays 0.

    Args:
        features: (N, D), any floating dtype.
        labels: (N,) integers or text; rows of unknown subjects, -1, are left out.
        alpha: the power of the distance, above 0.

    Returns:
        The mean over pairs; None where no class has two rows.

    Raises:
        ValueError: no rows, wrong shapes, numbers that are not finite, or alpha out of its range.

    Reference: Wang, Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
    Hypersphere", ICML 2020, arXiv 2005.10242, section 4.1 (positive pairs are here those of one class).

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
        >>> round(alignment(x, torch.tensor([0, 0, 1])), 6)
        2.0
    """
    features, labels, _ = labelled(features, labels)
    check_positive("alpha", alpha)
    total, pairs = 0.0, 0
    for distance in _class_distances(features, labels):
        total += distance.pow(alpha).sum().item()
        pairs += distance.numel()
    return total / pairs if pairs else None


def uniformity(features: Array, t: float = 2.0) -> float | None:
    """Uniformity: the logarithm of the mean Gaussian potential of all pairs; smaller is more even.

        L_uniform = log mean exp(-t |u_i - u_j|^2) over all pairs i < j,   u = x / |x|

    0 where all directions are the same, at least -4t. A zero feature stays 0.

    Args:
        features: (N, D), any floating dtype.
        t: the potential's width, above 0.

    Returns:
        The logarithm; None for one row, which has no pair.

    Raises:
        ValueError: no rows, a wrong shape, numbers that are not finite, or t out of its range.

    Reference: Wang, Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
    Hypersphere", ICML 2020, arXiv 2005.10242, section 4.1.

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [-1.0, 0.0]])  # |u - v|^2 = 4
        >>> uniformity(x)
        -8.0
    """
    features = as_features("features", features)
    check_rows(features)
    check_positive("t", t)
    n = len(features)
    if n == 1:
        return None
    unit, _ = direction(features.detach().to(torch.float64))
    square = unit.square().sum(dim=1)
    sums = []
    step = max(1, _blocks.BLOCK // n)
    for start in range(0, n, step):
        rows, columns = slice(start, start + step), slice(start, n)
        squared = square[rows, None] + square[None, columns] - 2 * unit[rows] @ unit[columns].T
        potential = (-t * squared.clamp(min=0)).masked_fill_(~_above_diagonal(squared), -math.inf)
        sums.append(potential.flatten().logsumexp(dim=0))
    return torch.stack(sums).logsumexp(dim=0).item() - math.log(n * (n - 1) / 2)


def _class_distances(features: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """Distances of the unit rows of all pairs of one class, each pair once, a block at a time.

    Rows sorted by label have their classes in a band along the diagonal: a block of rows meets the columns from its
    own start to the end of its last class.
    """
    labels, order = labels.sort()
    counts = torch.unique_consecutive(labels, return_counts=True)[1]
    ends = counts.cumsum(0).repeat_interleave(counts).tolist()  # where each row's class ends
    step = max(1, min(1024, _blocks.BLOCK // (int(counts.max()) + 1024)))
    unit, _ = direction(features[order].detach().to(torch.float64))
    for start in range(0, len(labels), step):
        rows = slice(start, start + step)
        columns = slice(start, ends[rows][-1])
        same = labels[rows, None] == labels[None, columns]
        # by differences: a matrix product would lose half the digits of a small distance
        distance = torch.cdist(unit[rows], unit[columns], compute_mode="donot_use_mm_for_euclid_dist")
        yield distance[same & _above_diagonal(distance)]


def _above_diagonal(block: Tensor) -> Tensor:
    return torch.ones_like(block, dtype=torch.bool).triu(diagonal=1)
