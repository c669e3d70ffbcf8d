"""logsumexp over all classes but a row's own, tile by tile, with the backward written out.

N rows, D dims, K classes, C classes a tile. Nothing of size N x K outlives a tile unless it fits the budget.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from .geometry import direction
from .margins import Geometry

TILE_BYTES = 2**23
"""What a tile of logits should not exceed, so that it stays near the processor: 8 MiB."""


def classes_per_tile(num_rows: int, dim: int, num_classes: int, itemsize: int, memory_budget: int) -> int:
    """How many classes a tile holds: half the budget at most, at least 1.

    Args:
        num_rows: N, counted once for each (N, C) array that lives at the same time.
        dim: D.
        num_classes: K.
        itemsize: bytes of one number.
        memory_budget: bytes.

    Returns:
        C in 1..K.

    Example:
        >>> classes_per_tile(num_rows=512, dim=128, num_classes=100_000, itemsize=4, memory_budget=2**28)
        2048
    """
    per_class = itemsize * (num_rows + 4 * dim)
    return max(1, min(num_classes, min(memory_budget // 2, TILE_BYTES) // max(per_class, 1)))


class _Kept(NamedTuple):
    """A tile's exponentials (N, C), relative to shift (N,), kept for the backward."""

    exponentials: Tensor
    shift: Tensor


class StreamedRest(torch.autograd.Function):
    """rest_i = logsumexp_{j != y_i} (x_i . w_j + b_j), together with each row's own row of W.

    Both come out of one function so that the gradient of W is gathered in one (K, D) array.
    """

    @staticmethod
    def of(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        geometry: Geometry,
        memory_budget: int,
        compute_dtype: torch.dtype | None,
    ) -> tuple[Tensor, Tensor]:
        """rest (N,) and W[labels] (N, D), both in x's dtype.

        Args:
            x: (N, D) features in their geometry, scale folded in; float32 or float64.
            weight: (K, D) in its own dtype; "unit" geometry normalises it a tile at a time.
            bias: (K,) or None.
            labels: (N,) int64.
            geometry: of the weights.
            memory_budget: bytes.
            compute_dtype: precision of the products, or None for x's.
        """
        arguments = (x, weight, bias, labels, geometry, memory_budget, compute_dtype)
        return cast(tuple[Tensor, Tensor], StreamedRest.apply(*arguments))  # type: ignore[no-untyped-call]

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        geometry: Geometry,
        memory_budget: int,
        compute_dtype: torch.dtype | None,
    ) -> tuple[Tensor, Tensor]:
        size = classes_per_tile(len(x), x.shape[1], len(weight), x.element_size(), memory_budget)
        to_keep = memory_budget // 2 if any(ctx.needs_input_grad[:3]) else 0
        shift = torch.full_like(labels, -torch.inf, dtype=x.dtype)
        total = torch.zeros_like(shift)
        kept: list[_Kept | None] = []
        for start in range(0, len(weight), size):
            w, _ = _tile_weight(weight, start, size, geometry, x.dtype)
            tile = _tile_logits(x, w, bias, labels, start, compute_dtype)
            larger = torch.maximum(shift, tile.amax(dim=1))
            # a tile may hold nothing but the row's own class: its largest logit is then -inf
            larger_or_0 = torch.where(larger == -torch.inf, 0, larger)
            tile.sub_(larger_or_0[:, None]).exp_()
            total = total * (shift - larger_or_0).exp() + tile.sum(dim=1)
            shift = larger
            to_keep -= tile.numel() * tile.element_size()
            kept.append(_Kept(tile, larger_or_0) if to_keep >= 0 else None)
        rest = shift + total.log()
        ctx.save_for_backward(x, weight, bias, labels, rest)
        ctx.geometry, ctx.compute_dtype, ctx.size, ctx.kept = geometry, compute_dtype, size, kept
        return rest, weight[labels].to(x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, for_rest: Tensor, for_own: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, labels, rest = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        d_x = torch.zeros_like(x) if needs_x else None
        d_weight = torch.zeros_like(weight, dtype=x.dtype) if needs_weight else None
        d_bias = torch.zeros_like(bias) if needs_bias else None
        alone = rest == -torch.inf  # K = 1: no other class, no gradient
        for index, start in enumerate(range(0, len(weight), ctx.size)):
            w, norm = _tile_weight(weight, start, ctx.size, ctx.geometry, x.dtype)
            kept = ctx.kept[index]
            if kept is None:
                logits = _tile_logits(x, w, bias, labels, start, ctx.compute_dtype)
                exponentials, shift = logits.sub_(torch.where(alone, 0, rest)[:, None]).exp_(), rest
            else:
                exponentials, shift = kept
            # softmax over the others is exponentials * exp(shift - rest); that and the upstream gradient are
            # factors of rows, so they go to the (N, D) side
            factor = torch.where(alone, 0, for_rest * (shift - rest).exp())
            if d_x is not None:
                d_x.addcmul_(_product(exponentials, w, ctx.compute_dtype), factor[:, None])
            if d_weight is not None:
                d_w = _product(exponentials.T, x * factor[:, None], ctx.compute_dtype)
                if norm is not None:
                    d_w -= (d_w * w).sum(dim=1, keepdim=True) * w
                    d_w = torch.where(norm == 0, 0, d_w / torch.where(norm == 0, 1, norm))
                d_weight[start : start + ctx.size] = d_w
            if d_bias is not None:
                d_bias[start : start + ctx.size] = factor.to(d_bias.dtype) @ exponentials.to(d_bias.dtype)
        if d_weight is not None:
            d_weight = d_weight.index_add_(0, labels, for_own).to(weight.dtype)
        return d_x, d_weight, d_bias, None, None, None, None


def _tile_weight(
    weight: Tensor, start: int, size: int, geometry: Geometry, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """The tile's weight (C, D) in its geometry, and its norms (C, 1) where it was normalised."""
    raw = weight[start : start + size].to(dtype)
    if geometry == "raw":
        return raw, None
    unit, norm = direction(raw)
    return unit, norm[:, None]


def _tile_logits(
    x: Tensor, w: Tensor, bias: Tensor | None, labels: Tensor, start: int, compute_dtype: torch.dtype | None
) -> Tensor:
    """Logits (N, C) of the tile that begins at class `start`, with -inf in a row's own column."""
    tile = _product(x, w.T, compute_dtype)
    if bias is not None:
        tile += bias[start : start + len(w)]
    inside = ((labels >= start) & (labels < start + len(w))).nonzero().squeeze(1)
    tile[inside, labels[inside] - start] = -torch.inf
    return tile


def _product(a: Tensor, b: Tensor, compute_dtype: torch.dtype | None) -> Tensor:
    """a @ b with both sides rounded to compute_dtype, summed and returned in a's dtype."""
    if compute_dtype is None:
        return a @ b
    return a.to(compute_dtype).to(a.dtype) @ b.to(compute_dtype).to(b.dtype)
