"""Streaming logsumexp over the other classes of each row, tile by tile, with a hand-written backward.

N rows, D dims, K classes, C classes a tile, T tiles. With u_j the weight of class j in its geometry and e_ij the
exponential of its logit, the forward sums, while a tile of e is hot,

    total_i = sum_{j != y_i} e_ij        rest_i = log total_i
    pull_i  = sum_{j != y_i} e_ij u_j    d rest_i / d x_i = pull_i / total_i

so that the forward already holds the gradient of x, and the backward needs one product for that of the weight,

    d u_j = sum_i (d_i / total_i) e_ij x_i,   d_i the gradient of rest_i,

with the factor of each row folded into x. Exponentials are kept for it where the plan says so, else recomputed.

Where |logit| <= bound, and exp(bound) and exp(-bound) are normal numbers even summed over all classes, exponentials
are taken without a shift: none can overflow or underflow. Elsewhere they are relative to a running maximum of the row,
to which total and pull are rescaled as it grows.
"""

import math
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.dtypes import vector_dtype
from ..common.unit_vectors import within
from .checks import check_range
from .matmul import add_product, product
from .planner import Plan
from .tiles import StreamSettings, Tiles, norms_of


class WeightUpdate(Protocol):
    """Moves W in the backward, tile by tile, so that its gradient never exists as a whole."""

    def begin(self) -> None:
        """Called once as a backward begins."""

    def apply(self, rows: slice | Tensor, gradient: Tensor) -> None:
        """Move some rows of W, by slice or by number (C,), by their gradient (C, D), which may be used up."""


LOG2_E = math.log2(math.e)
"""Exponentials are powers of 2, which are cheaper than those of e: the factor goes into x and the bias."""


def rest_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, local_labels: Tensor, *fixed: Any, store: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Compute the forward, and what the backward needs of it.

    `store` is the memory of the gradient of weight, (K, D), where a plan that shares keeps exponentials.

    Returns:
        rest (N,), own rows of W (N, D), sum of unit rows (D,), norms of W (K,), total (N,), pull (N, D), the maxima
        (T, N) that the tiles' exponentials are relative to, and kept exponentials, one tile after the other; tensors
        that are not needed are empty.
    """
    settings = StreamSettings(*fixed)
    compute_dtype = settings.compute_dtype
    if settings.whole:
        check_range(local_labels, len(weight))
    norms = norms_of(weight, x.dtype) if settings.unit else x.new_empty(0)
    tiles = _tiles_in_powers_of_2(x, weight, bias, local_labels, norms, settings)
    total, pull, maxima, kept = empty_for_backward(x, tiles.plan, settings)
    if store is not None and tiles.plan.shared:
        kept = as_kept(store, x, settings)
    total.zero_()
    pull.zero_()
    unit_sum = x.new_zeros(tiles.plan.dim if settings.others_sum else 0)
    shift = x.new_full((len(x),), -torch.inf)
    for index in range(len(tiles.bounds)):
        unit = tiles.unit(index)
        if settings.others_sum:
            unit_sum += unit.sum(dim=0)
        place = tiles.place(index, kept)
        logits = tiles.logits(index, unit, place if compute_dtype is None else None)
        if not settings.bounded:
            larger = torch.maximum(shift, logits.amax(dim=1))
            # a tile may hold nothing but the row's own class: its largest logit is then -inf
            larger_or_0 = torch.where(larger == -torch.inf, 0, larger)
            _shift(logits, larger_or_0)
            shrink = (shift - larger_or_0).exp2()
            total *= shrink
            if settings.needs_x:
                pull *= shrink[:, None]
            shift, maxima[index] = larger, larger_or_0
        exponentials = torch.exp2(logits, out=place if place is not None and compute_dtype is None else logits)
        total += exponentials.sum(dim=1)
        if compute_dtype is not None:
            exponentials = exponentials.to(compute_dtype) if place is None else place.copy_(exponentials)
        if settings.needs_x:
            add_product(pull, exponentials, unit if compute_dtype is None else unit.to(compute_dtype))
    rest = total.log() if settings.bounded else total.log() + shift / LOG2_E
    return rest, _own_rows(weight, local_labels).to(x.dtype), unit_sum, norms, total, pull, maxima, kept


def rest_backward(
    d_rest: Tensor,
    d_own: Tensor | None,
    d_unit_sum: Tensor | None,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    local_labels: Tensor,
    norms: Tensor,
    total: Tensor,
    maxima: Tensor,
    kept: Tensor,
    *fixed: Any,
    update: WeightUpdate | None = None,
    store: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The gradients of weight (K, D) and bias (K,); empty where not needed, or where `update` takes it.

    `store` takes the gradient of weight in place of new memory; each tile's exponentials are read before it is written.
    """
    settings = StreamSettings(*fixed)
    dtype = x.dtype if settings.compute_dtype is None else settings.compute_dtype
    tiles = _tiles_in_powers_of_2(x, weight, bias, local_labels, norms, settings)
    d_weight = store
    if d_weight is None:
        d_weight = weight.new_empty(weight.shape if settings.needs_weight and update is None else 0)
    d_bias = weight.new_empty(weight.shape[0] if settings.needs_bias else 0)
    if d_own is not None:
        d_own = within(d_own, weight.dtype)
    factor = per_total(d_rest, total, x.dtype)
    x_factor = (x * factor[:, None]).to(dtype)
    for index, (start, stop) in enumerate(tiles.bounds):
        tile_factor, tile_x = factor, x_factor
        exponentials = tiles.place(index, kept)
        # a graph that is used again finds the kept exponentials overwritten, and must reproduce the same bits
        as_kept_before = exponentials is not None or (tiles.plan.shared and stop <= tiles.plan.kept)
        if exponentials is None:
            logits = tiles.logits(index, tiles.unit(index))
            if not settings.bounded:
                _shift(logits, maxima[index if as_kept_before else -1])
            exponentials = logits.exp2_().to(dtype)
        if as_kept_before and not settings.bounded:
            tile_factor = factor * (maxima[index] - maxima[-1]).exp2()
            tile_x = (x * tile_factor[:, None]).to(dtype)
        if settings.needs_bias:
            d_bias[start:stop] = tile_factor @ exponentials.to(x.dtype)
        if settings.needs_weight:
            buffer = tiles.workspace("gradient", stop - start, x.shape[1]) if dtype == x.dtype else None
            d_unit = product(exponentials.T, tile_x, buffer).to(x.dtype)
            if d_unit_sum is not None:
                d_unit += d_unit_sum
            d_tile = d_weight[start:stop] if update is None else weight.new_empty(d_unit.shape)
            tiles.through_norm(index, d_unit, d_tile)
            if update is not None:
                rows, columns = tiles.own(index)
                if d_own is not None and len(rows):
                    d_tile.index_add_(0, columns, d_own[rows])
                update.apply(slice(start, stop), d_tile)
    if settings.needs_weight and update is None and d_own is not None and len(weight):
        d_weight.index_add_(0, _among(local_labels, weight), d_own)
    return d_weight, d_bias


def _tiles_in_powers_of_2(
    x: Tensor, weight: Tensor, bias: Tensor | None, local_labels: Tensor, norms: Tensor, settings: StreamSettings
) -> Tiles:
    """The tiles whose logits count in powers of 2."""
    return Tiles(x * LOG2_E, weight, None if bias is None else bias * LOG2_E, local_labels, norms, settings)


def as_kept(store: Tensor, x: Tensor, settings: StreamSettings) -> Tensor:
    """The memory of a gradient (K, D) as flat numbers in the precision of kept exponentials."""
    return store.view(-1).view(x.dtype if settings.compute_dtype is None else settings.compute_dtype)


def _among(local_labels: Tensor, weight: Tensor) -> Tensor:
    """The labels (N,), those of classes on other ranks replaced by a class that is here."""
    return local_labels.clamp(0, len(weight) - 1)


def _own_rows(weight: Tensor, local_labels: Tensor) -> Tensor:
    """Rows (N, D) of W of the own classes, of some class where the own one is not here; 0 where there is no class."""
    if not len(weight):  # none of this rank's was sampled
        return weight.new_zeros(len(local_labels), weight.shape[1])
    return weight[_among(local_labels, weight)]


def _shift(logits: Tensor, shift: Tensor) -> Tensor:
    """logits (N, C) - shift (N,), in place, with -inf for terms that would underflow.

    Such a term is negligible beside the row's largest, which is 1; as a subnormal it would slow every product down.
    """
    smallest = math.log2(torch.finfo(logits.dtype).tiny)
    return F.threshold(logits.sub_(shift[:, None]), smallest, -torch.inf, inplace=True)


def per_total(d_rest: Tensor, total: Tensor, dtype: torch.dtype) -> Tensor:
    """The factor (N,) from a row's exponentials to its gradient: 0 for a row without other classes."""
    return torch.where(total == 0, 0, d_rest / total).to(dtype)


def empty_for_backward(x: Tensor, step: Plan, settings: StreamSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """total (N,), pull (N, D), maxima (T, N) and kept exponentials, each empty where not needed."""
    n = x.shape[0]
    pull = x.new_empty((n, step.dim) if settings.needs_x else (0, 0))
    maxima = x.new_empty((0 if settings.bounded else step.num_tiles, n))
    kept = x.new_empty(n * step.kept if settings.keeps and not step.shared else 0, dtype=settings.compute_dtype)
    return x.new_empty(n, dtype=vector_dtype(x)), pull, maxima, kept
