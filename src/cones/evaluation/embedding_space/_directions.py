"""Geometry of class directions: the rows of a head's weight, or the means of classes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...common.unit_vectors import direction, row_angles
from .. import blocks as _blocks
from .._arrays import Array, as_features
from .._table import Row, table_of_rows
from ..blocks import check_rows

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
BINS = 36


@dataclass(frozen=True, eq=False)
class ClassDirections:
    """Result of `class_directions`; angles in radians. Printed, it is a table.

    Attributes:
        nearest_angle: (K,) float64, each class's angle to the nearest other.
        nearest_class: (K,) the nearest other class; the first of equally near ones.
        nearest_quantiles: smallest, 5 %, median, 95 % and largest of `nearest_angle`.
        mean_angle: mean over all pairs of classes.
        angle_counts: (36,) number of pairs of classes with an angle in each bin of π/36; the last holds π too.
        norm_variation: standard deviation of the lengths over their mean; None where all rows are 0.
        cosine_variation: standard deviation of the cosine over all pairs; 0 is equiangular.
        simplex_cosine: mean over all pairs of |cos + 1/(K-1)|; 0 is as far apart as K directions can be.
        simplex_distance: of the Gram matrix to that of a simplex, in 0..2 (see `simplex_distance`); None where all
            rows are 0.
    """

    nearest_angle: Tensor
    nearest_class: Tensor
    nearest_quantiles: tuple[float, ...]
    mean_angle: float
    angle_counts: Tensor
    norm_variation: float | None
    cosine_variation: float
    simplex_cosine: float
    simplex_distance: float | None

    def rows(self) -> list[Row]:
        """Names, values and meanings."""
        smallest, low, middle, high, largest = map(math.degrees, self.nearest_quantiles)
        return [
            ("nearest angle, smallest", smallest, "degrees, over classes"),
            ("nearest angle, 5 %", low, "degrees"),
            ("nearest angle, median", middle, "degrees"),
            ("nearest angle, 95 %", high, "degrees"),
            ("nearest angle, largest", largest, "degrees"),
            ("mean angle of pairs", math.degrees(self.mean_angle), "degrees"),
            ("variation of norms", self.norm_variation, "0: equal lengths"),
            ("variation of cosines", self.cosine_variation, "0: all at one angle"),
            ("|cos + 1/(K-1)|", self.simplex_cosine, "0: as far apart as can be"),
            ("distance to the simplex", self.simplex_distance, "0: a simplex"),
        ]

    def __str__(self) -> str:
        return table_of_rows(f"directions of {len(self.nearest_angle)} classes", self.rows())


def class_directions(weight: Array) -> ClassDirections:
    """Measure the geometry of K class directions, from a head's weight alone or from class means.

    The most that K ≤ D + 1 directions can do is a simplex: all cosines -1/(K-1). A zero row has cosine 0, angle π/2,
    with everything. For a head with sub-centers pass one row per class.

    Args:
        weight: (K, D), K ≥ 2: one row per class, any length.

    Returns:
        `ClassDirections`.

    Raises:
        ValueError: fewer than two rows, a wrong shape, or numbers that are not finite.

    Reference: Papyan, Han, Donoho, "Prevalence of neural collapse during the terminal phase of deep learning
    training", PNAS 2020, arXiv 2008.08186, figures 2-4 (equinorm, equiangular, maximal angle).

    Example:
        >>> d = class_directions(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
        >>> d.nearest_angle.rad2deg(), d.nearest_class
        (tensor([90., 90., 90.], dtype=torch.float64), tensor([1, 0, 1]))
    """
    weight = as_features("weight", weight)
    check_rows(weight, "weight")
    count = len(weight)
    if count < 2:
        raise ValueError(f"weight has {count} row, expected two classes or more: one has no nearest other")
    unit, norms = direction(weight.detach().to(torch.float64))
    nearest = torch.empty(count, dtype=torch.long, device=unit.device)
    bins = unit.new_zeros(BINS)
    mean = angle = square = excess = 0.0
    for start, cosine in _cosines(unit):
        step = len(cosine)
        nearest[start : start + step] = cosine.masked_fill(_own(cosine, start), -math.inf).argmax(dim=1)
        pairs = cosine[_after(cosine, start)]
        angles = pairs.acos()
        bins += torch.histc(angles, bins=BINS, min=0, max=math.pi)
        mean += pairs.sum().item()
        angle += angles.sum().item()
        excess += (pairs + 1 / (count - 1)).abs().sum().item()
    number = count * (count - 1) / 2
    mean /= number
    for start, cosine in _cosines(unit):  # a second pass: subtracting the squared mean would lose digits
        square += (cosine[_after(cosine, start)] - mean).square().sum().item()
    nearest_angle = row_angles(unit, unit[nearest])
    longest = norms.max()
    scaled = norms / longest if longest > 0 else norms
    return ClassDirections(
        nearest_angle=nearest_angle,
        nearest_class=nearest,
        nearest_quantiles=tuple(nearest_angle.quantile(unit.new_tensor(QUANTILES)).tolist()),
        mean_angle=angle / number,
        angle_counts=bins.round().long(),
        norm_variation=(scaled.std(correction=0) / scaled.mean()).item() if longest > 0 else None,
        cosine_variation=math.sqrt(square / number),
        simplex_cosine=excess / number,
        simplex_distance=simplex_distance(weight),
    )


def simplex_distance(weight: Array) -> float | None:
    """Distance of the rows' Gram matrix to a simplex's, both of Frobenius norm 1; 0 is a simplex, at most 2.

        | G / |G|_F - (I - 11^T / K) / sqrt(K-1) |_F,   G = W W^T

    It knows no rotation and no common length. Unlike the angles it also sees lengths that differ, and the mean of the
    rows, which is 0 in a simplex.

    Args:
        weight: (K, D): class directions, or class means less their mean.

    Returns:
        The distance; None for one row, or where all are 0.

    Raises:
        ValueError: no rows, a wrong shape, or numbers that are not finite.

    Reference: Zhu, Ding, Zhou, Li, You, Sulam, Qu, "A Geometric Analysis of Neural Collapse with Unconstrained
    Features", NeurIPS 2021, arXiv 2105.02375 (the measure NC2 of its experiments).

    Example:
        >>> round(simplex_distance(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), 6)
        0.0
    """
    weight = as_features("weight", weight)
    check_rows(weight, "weight")
    count = len(weight)
    rows = weight.detach().to(torch.float64)
    largest = rows.abs().amax() if rows.numel() else rows.new_zeros(())
    if count < 2 or largest == 0:
        return None
    rows = rows / largest
    norm = torch.linalg.matrix_norm(rows.T @ rows)  # |W W^T|_F = |W^T W|_F
    square, step = 0.0, max(1, _blocks.BLOCK // count)
    for start in range(0, count, step):
        gram = rows[start : start + step] @ rows.T / norm
        gram += 1 / (count * math.sqrt(count - 1))
        gram[_own(gram, start)] -= 1 / math.sqrt(count - 1)
        square += gram.square().sum().item()
    return math.sqrt(square)


def _cosines(unit: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(start, cosines (C, K)) of blocks of rows with all rows."""
    step = max(1, _blocks.BLOCK // len(unit))
    for start in range(0, len(unit), step):
        yield start, (unit[start : start + step] @ unit.T).clamp_(-1, 1)


def _own(block: Tensor, start: int) -> Tensor:
    """True where row start + i meets itself."""
    mask = torch.zeros_like(block, dtype=torch.bool)
    mask.diagonal(offset=start).fill_(True)
    return mask


def _after(block: Tensor, start: int) -> Tensor:
    """True where row start + i meets a later one: every pair once."""
    return torch.ones_like(block, dtype=torch.bool).triu(diagonal=start + 1)
