"""Tiles of classes: unit weights, logits and gradients of one tile at a time."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.unit_vectors import direction, through_direction, within
from ..margins import Geometry
from .matmul import wide_product
from .planner import Plan, plan, tile_bytes_of

BENT_COLUMNS = 8
"""Arrays of (N, C) that are alive at once while autograd works on a tile."""

SAFE = 1e-15
"""Norms in [SAFE, 1 / SAFE] have squares and inverse squares that keep full precision; others take a slower path."""


class StreamSettings(NamedTuple):
    """Static configuration of a pass over the classes.

    Attributes:
        unit: whether the rows of W are normalised.
        bounded: whether no exponential can overflow or underflow.
        compute_dtype: precision of the gradients' products, None for that of x.
        memory_budget: bytes.
        tile_bytes: bytes of a tile of logits; fixed here, so that the backward has the tiles of the forward.
        whole: whether all classes are here, so that a label outside of them is an error.
        others_sum: whether the sum of the others' logits is wanted.
        needs_x, needs_weight, needs_bias: the gradients that the backward has to compute.
        shares: whether exponentials may be kept in the memory of the gradient of weight.
    """

    unit: bool
    bounded: bool
    compute_dtype: torch.dtype | None
    memory_budget: int
    tile_bytes: int
    whole: bool
    others_sum: bool
    needs_x: bool
    needs_weight: bool
    needs_bias: bool
    shares: bool = False

    @property
    def keeps(self) -> bool:
        """True if the backward uses the exponentials of the forward."""
        return self.needs_weight or self.needs_bias

    def plan(self, x: Tensor, weight: Tensor, *, bent: bool = False, subcenters: int = 1) -> Plan:
        """Plan for features x (N, D) and weight (K * S, D); `bent` for autograd on each tile."""
        return plan(
            x.shape[0] * subcenters,
            x.shape[1] * subcenters,
            weight.shape[0] // subcenters,
            itemsize=x.element_size(),
            compute_dtype=None if bent else self.compute_dtype,
            memory_budget=self.memory_budget,
            tile_bytes=self.tile_bytes,
            columns=BENT_COLUMNS if bent else 1,
            shares=self.shares and not bent,
        )


def settings_for(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    bound: float,
    memory_budget: int,
    compute_dtype: torch.dtype | None,
    *,
    whole: bool = True,
    others_sum: bool = False,
) -> StreamSettings:
    """Build the settings of a pass over features x (N, D).

    Args:
        x, weight, bias: give sizes, and the gradients that are needed.
        geometry: of the weights: "unit" normalises them, a tile at a time.
        bound: of the size of the other classes' logits; math.inf where none is known.
        memory_budget: bytes.
        compute_dtype: precision of the gradients' products, or None for x's.
        whole, others_sum: see StreamSettings.

    Returns:
        StreamSettings, bounded if exp of every number in [-bound, bound], and the sum of K of them, is a normal
        number.
    """
    fits = is_bounded(bound, len(weight), x.dtype)
    grad = torch.is_grad_enabled()
    needs = [grad and tensor is not None and tensor.requires_grad for tensor in (x, weight, bias)]
    return StreamSettings(
        geometry == "unit", fits, compute_dtype, memory_budget, tile_bytes_of(x.device), whole, others_sum, *needs
    )


def is_bounded(bound: float, num_classes: int, dtype: torch.dtype) -> bool:
    """Test whether exp of every number in [-bound, bound], and the sum of num_classes of them, is a normal number."""
    limits = torch.finfo(dtype)
    sum_fits = bound + math.log(max(num_classes, 1)) < math.log(limits.max) - 1
    return sum_fits and -bound > math.log(limits.tiny)


def norms_of(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Norms (K,) of the rows of weight (K, D), right at every magnitude."""
    norms: Tensor = torch.linalg.vector_norm(weight, dim=1, dtype=dtype)
    unusual = ((norms < SAFE) | (norms > 1 / SAFE)).nonzero().squeeze(1)
    if len(unusual):
        norms[unusual] = direction(weight[unusual].to(dtype))[1]
    return norms


class Tiles:
    """The classes of a pass, tile by tile, for its rows.

    Args:
        x: (N, D) features in their geometry, scale folded in.
        weight: (K * S, D), S centers per class, adjacent.
        bias: (K,) or None.
        local_labels: (N,) int64; a label outside of 0..K-1 has no own column.
        norms: (K * S,) of the rows of W, empty where they are not normalised.
        settings: static configuration of the pass.
        bent: whether autograd works on each tile.
        subcenters: S.

    Attributes:
        plan: tile size, and the classes that are kept.
        bounds: (start, stop) of each tile.
    """

    def __init__(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        local_labels: Tensor,
        norms: Tensor,
        settings: StreamSettings,
        *,
        bent: bool = False,
        subcenters: int = 1,
    ) -> None:
        self.x, self.weight, self.bias, self.settings, self.subcenters = x, weight, bias, settings, subcenters
        self.plan = settings.plan(x, weight, bent=bent, subcenters=subcenters)
        self.bounds = list(self.plan.tiles())
        self._buffers: dict[str, Tensor] = {}
        # rows sorted by label, so that those whose own class is in a tile are adjacent
        self._sorted_labels, self._rows = local_labels.sort()
        starts = torch.tensor([start for start, _ in self.bounds] + [self.plan.num_classes], device=local_labels.device)
        self._edges = torch.searchsorted(self._sorted_labels, starts).tolist()
        if settings.unit:
            # a zero row has no direction: its unit row and its gradient are 0
            self._divisor = torch.where(norms == 0, 1, norms)
            self._inverse = torch.where(norms == 0, 0, 1 / norms).clamp_(max=torch.finfo(norms.dtype).max)
            self._unusual = ((norms < SAFE) | (norms > 1 / SAFE)).nonzero().squeeze(1).cpu()

    def rows(self, index: int) -> slice:
        """The tile's rows of W."""
        start, stop = self.bounds[index]
        return slice(start * self.subcenters, stop * self.subcenters)

    def unit(self, index: int) -> Tensor:
        """The tile's weight (C * S, D) in its geometry."""
        rows = self.rows(index)
        tile = self.weight[rows].to(self.x.dtype)
        if not self.settings.unit:
            return tile
        unit = torch.div(tile, self._divisor[rows, None], out=self.workspace("unit", *tile.shape))
        unusual = self._unusual_in(rows)
        if len(unusual):
            unit[unusual] = direction(tile[unusual])[0]
        return unit

    def products(self, unit: Tensor, out: Tensor | None = None) -> Tensor:
        """x @ unit.T, (N, C * S), in x's dtype; in `out` if the kernel can write there."""
        return wide_product(self.x, unit.T, self.settings.compute_dtype, out)

    def logits(self, index: int, unit: Tensor, out: Tensor | None = None) -> Tensor:
        """Products plus bias (N, C), with -inf in each row's own column; in `out` if the kernel can write there."""
        start, stop = self.bounds[index]
        if out is None:
            out = self.workspace("logits", len(self.x), stop - start)
        logits = self.products(unit, out)
        if self.bias is not None:
            logits += self.bias[start:stop]
        logits[self.own(index)] = -torch.inf
        return logits

    def own(self, index: int) -> tuple[Tensor, Tensor]:
        """Numbers of the rows whose own class is in the tile, and its column there."""
        inside = slice(self._edges[index], self._edges[index + 1])
        return self._rows[inside], self._sorted_labels[inside] - self.bounds[index][0]

    def place(self, index: int, kept: Tensor) -> Tensor | None:
        """The tile's view (N, C * S) of a flat tensor of kept numbers, or None if it is not kept."""
        start, stop = self.bounds[index]
        rows, n = self.rows(index), len(self.x)
        if stop > self.plan.kept or not len(kept):
            return None
        first, count = self.plan.stride * start, rows.stop - rows.start
        return kept[first : first + n * count].view(n, count)

    def through_norm(self, index: int, d_unit: Tensor, d_weight: Tensor) -> None:
        """Write the gradient (C * S, D) of the weight, from that of its unit rows; d_unit is overwritten.

        d w = (d u - (d u . u) u) / |w|
        """
        if not self.settings.unit:
            d_weight.copy_(d_unit)
            return
        rows = self.rows(index)
        tile, inverse = self.weight[rows].to(d_unit.dtype), self._inverse[rows, None]
        products = torch.mul(d_unit, tile, out=self.workspace("unit", *tile.shape))
        along = products.sum(dim=1, keepdim=True) * inverse
        unusual = self._unusual_in(rows)
        d_unusual = d_unit[unusual]
        d_unit *= inverse
        if d_weight.dtype == d_unit.dtype:
            torch.addcmul(d_unit, tile, along * inverse * inverse, value=-1, out=d_weight)
        elif d_weight.dtype == torch.float16:  # the only dtype that rows of usual length can overflow
            d_weight.copy_(within(d_unit.addcmul_(tile, along * inverse * inverse, value=-1), torch.float16))
        else:
            d_weight.copy_(d_unit.addcmul_(tile, along * inverse * inverse, value=-1))
        if len(unusual):
            unit, norm = direction(tile[unusual])
            d_weight[unusual] = within(through_direction(d_unusual, unit, norm), d_weight.dtype)

    def workspace(self, name: str, rows: int, columns: int) -> Tensor:
        """An array (rows, columns) in x's dtype, in memory that all tiles share."""
        numbers = rows * columns
        if name not in self._buffers or len(self._buffers[name]) < numbers:
            self._buffers[name] = self.x.new_empty(numbers)
        return self._buffers[name][:numbers].view(rows, columns)

    def _unusual_in(self, rows: slice) -> Tensor:
        if not len(self._unusual):
            return self._unusual
        start: int = rows.start
        inside: Tensor = self._unusual[(self._unusual >= start) & (self._unusual < rows.stop)]
        return inside - start
