"""logsumexp over all classes but a row's own, tile by tile, with the backward written out.

N rows, D dims, K classes, C classes a tile, T tiles. With u_j the weight of class j in its geometry and e_ij the
exponential of its logit, the forward sums, while a tile of e is hot,

    total_i = sum_{j != y_i} e_ij        rest_i = log total_i
    pull_i  = sum_{j != y_i} e_ij u_j    d rest_i / d x_i = pull_i / total_i

so that the gradient of x is done when the forward is, and the backward needs one product for that of the weight,

    d u_j = sum_i (d_i / total_i) e_ij x_i,   d_i the gradient of rest_i,

in which the factor of a row goes to x. Exponentials are kept for it where the plan says so, else computed again.

Where |logit| <= bound, and exp(bound) and exp(-bound) are ordinary numbers even summed over all classes, exponentials
are taken as they are: none can overflow or vanish. Elsewhere they are relative to a running maximum of the row, to
which total and pull are scaled as it grows.

Both directions are operators of PyTorch (`torch.ops.cones`), so that torch.compile sees one node and not the tiles.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from .arguments import check_range
from .planner import Plan
from .products import product
from .tiles import Settings, Tiles, norms_of

Move = Callable[[slice | Tensor, Tensor], None]
"""Takes some rows of W, by slice or by number (C,), and their gradient (C, D), and moves them."""

Update = Callable[[], Move]
"""Called once as a backward begins; what it returns is called tile by tile."""


def rest_and_own(
    x: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, settings: Settings, update: Update | None = None
) -> tuple[Tensor, Tensor]:
    """rest_i = logsumexp_{j != y_i} (x_i . u_j + b_j) and W[labels], differentiable in x, weight and bias.

    Both come out of one operator so that the gradient of W is gathered in one (K, D) array.

    Args:
        x: (N, D) features in their geometry, scale folded in; float32 or float64.
        weight: (K, D) in its own dtype.
        bias: (K,) or None.
        labels: (N,) int64.
        settings: what is fixed before the step.
        update: takes the gradient of W tile by tile instead of its being returned.

    Returns:
        rest (N,), -inf where there is no other class, in float64 where the device has it, for a difference is taken of
        it; and (N, D) in x's dtype.
    """
    if update is not None and settings.needs_weight:
        outputs = _UpdatingRest.apply(x, weight, bias, labels, settings, update)  # type: ignore[no-untyped-call]
    else:
        try:
            outputs = torch.ops.cones.rest(x, weight, bias, labels, *settings)
        except RuntimeError as error:
            if "functorch" in str(error):
                raise RuntimeError(
                    "torch.func cannot see through the engine's operator: use dense_margin_softmax there, "
                    "or torch.autograd.grad"
                ) from error
            raise
    return cast(tuple[Tensor, Tensor], outputs[:2])


def _rest(
    x: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, *fixed: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The forward, and what the backward will want of it.

    Returns:
        rest (N,), own rows of W (N, D), norms of W (K,), total (N,), pull (N, D), the maxima (T, N) that the tiles'
        exponentials are relative to, and kept exponentials, one tile after the other; what is not wanted is empty.
    """
    settings = Settings(*fixed)
    low = settings.low
    check_range(labels, len(weight))
    norms = norms_of(weight, x.dtype) if settings.unit else x.new_empty(0)
    tiles = Tiles(x, weight, bias, labels, norms, settings)
    total, pull, maxima, kept = _empty_for_backward(x, tiles.plan, settings)
    total.zero_()
    pull.zero_()
    shift = x.new_full((len(x),), -torch.inf)
    for index in range(len(tiles.bounds)):
        unit = tiles.unit(index)
        logits = tiles.logits(index, unit)
        if not settings.bounded:
            larger = torch.maximum(shift, logits.amax(dim=1))
            # a tile may hold nothing but the row's own class: its largest logit is then -inf
            larger_or_0 = torch.where(larger == -torch.inf, 0, larger)
            _shift(logits, larger_or_0)
            shrink = (shift - larger_or_0).exp()
            total *= shrink
            if settings.needs_x:
                pull *= shrink[:, None]
            shift, maxima[index] = larger, larger_or_0
        place = tiles.place(index, kept)
        exponentials = torch.exp(logits, out=place if place is not None and low is None else logits)
        total += exponentials.sum(dim=1)
        if low is not None:
            exponentials = exponentials.to(low) if place is None else place.copy_(exponentials)
        if settings.needs_x:
            pull += product(exponentials, unit if low is None else unit.to(low))
    rest = total.log() if settings.bounded else total.log() + shift
    return rest, weight[labels].to(x.dtype), norms, total, pull, maxima, kept


def _rest_backward(
    d_rest: Tensor,
    d_own: Tensor | None,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    norms: Tensor,
    total: Tensor,
    maxima: Tensor,
    kept: Tensor,
    *fixed: Any,
    move: Move | None = None,
) -> tuple[Tensor, Tensor]:
    """The gradients of weight (K, D) and bias (K,); what is not needed, or moved by, is empty."""
    settings = Settings(*fixed)
    dtype = x.dtype if settings.low is None else settings.low
    tiles = Tiles(x, weight, bias, labels, norms, settings)
    d_weight, d_bias = _rest_backward_fake(d_rest, d_own, x, weight, *fixed, move=move)
    if d_own is not None:
        d_own = d_own.to(weight.dtype)
    factor = _per_total(d_rest, total, x.dtype)
    x_factor = (x * factor[:, None]).to(dtype)
    for index, (start, stop) in enumerate(tiles.bounds):
        tile_factor, tile_x = factor, x_factor
        exponentials = tiles.place(index, kept)
        if exponentials is None:
            logits = tiles.logits(index, tiles.unit(index))
            exponentials = (logits if settings.bounded else _shift(logits, maxima[-1])).exp_().to(dtype)
        elif not settings.bounded:
            tile_factor = factor * (maxima[index] - maxima[-1]).exp()
            tile_x = (x * tile_factor[:, None]).to(dtype)
        if settings.needs_bias:
            d_bias[start:stop] = tile_factor @ exponentials.to(x.dtype)
        if settings.needs_weight:
            d_unit = product(exponentials.T, tile_x).to(x.dtype)
            d_tile = d_weight[start:stop] if move is None else weight.new_empty(d_unit.shape)
            tiles.through_norm(index, d_unit, d_tile)
            if move is not None:
                rows, columns = tiles.own(index)
                if d_own is not None and len(rows):
                    d_tile.index_add_(0, columns, d_own[rows])
                move(slice(start, stop), d_tile)
    if settings.needs_weight and move is None and d_own is not None:
        d_weight.index_add_(0, labels, d_own)
    return d_weight, d_bias


def vector_dtype(x: Tensor) -> torch.dtype:
    """What sums over all classes are gathered in: these (N,) numbers cost nothing, and float32 would round them."""
    return x.dtype if x.device.type == "mps" else torch.float64


def _shift(logits: Tensor, shift: Tensor) -> Tensor:
    """logits (N, C) - shift (N,), in place, with -inf for what would vanish.

    Beside the 1 of the row's largest such a term is nothing; as a subnormal number it would slow every product down.
    """
    smallest = math.log(torch.finfo(logits.dtype).tiny)
    return F.threshold(logits.sub_(shift[:, None]), smallest, -torch.inf, inplace=True)


def _per_total(d_rest: Tensor, total: Tensor, dtype: torch.dtype) -> Tensor:
    """The factor (N,) by which a row's exponentials become its gradient: 0 for a row without other classes."""
    return torch.where(total == 0, 0, d_rest / total).to(dtype)


def _empty_for_backward(x: Tensor, step: Plan, settings: Settings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """total (N,), pull (N, D), maxima (T, N) and kept exponentials, each empty where it is not wanted."""
    n = x.shape[0]
    pull = x.new_empty((n, step.dim) if settings.needs_x else (0, 0))
    maxima = x.new_empty((0 if settings.bounded else step.num_tiles, n))
    kept = x.new_empty(n * step.kept if settings.keeps else 0, dtype=settings.low)
    return x.new_empty(n, dtype=vector_dtype(x)), pull, maxima, kept


def _rest_fake(x: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, *fixed: Any) -> tuple[Tensor, ...]:
    """Shapes and dtypes of what `_rest` returns."""
    settings = Settings(*fixed)
    rest, own = x.new_empty(x.shape[0], dtype=vector_dtype(x)), x.new_empty(x.shape)
    norms = x.new_empty(weight.shape[0] if settings.unit else 0)
    return rest, own, norms, *_empty_for_backward(x, settings.plan(x, weight), settings)


def _rest_backward_fake(
    d_rest: Tensor, d_own: Tensor | None, x: Tensor, weight: Tensor, *others: Any, move: Move | None = None
) -> tuple[Tensor, Tensor]:
    """Shapes and dtypes of what `_rest_backward` returns."""
    needs_weight, needs_bias = others[-2:]
    d_weight = weight.new_empty(weight.shape if needs_weight and move is None else 0)
    return d_weight, weight.new_empty(weight.shape[0] if needs_bias else 0)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, bias, labels, *fixed = inputs
    _, _, norms, total, pull, maxima, kept = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(norms, total, pull, maxima, kept)
    ctx.save_for_backward(x, weight, bias, labels, norms, total, pull, maxima, kept)
    ctx.settings = Settings(*fixed)


def _differentiate(
    ctx: Any,
    d_rest: Tensor | None,
    d_own: Tensor | None,
    *_: None,
    update: Update | None = None,
) -> tuple[Tensor | None, ...]:
    x, weight, bias, labels, norms, total, pull, maxima, kept = ctx.saved_tensors
    needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
    d_rest = torch.zeros_like(total) if d_rest is None else d_rest
    d_x = _per_total(d_rest, total, x.dtype)[:, None] * pull if needs_x else None
    d_weight = d_bias = None
    if needs_weight or needs_bias:
        settings = ctx.settings._replace(needs_x=False, needs_weight=needs_weight, needs_bias=needs_bias)
        arguments = (d_rest, d_own, x, weight, bias, labels, norms, total, maxima, kept, *settings)
        if update is None:
            d_weight, d_bias = torch.ops.cones.rest_backward(*arguments)
        else:
            d_weight, d_bias = _rest_backward(*arguments, move=update())
    return (
        d_x,
        d_weight if needs_weight and update is None else None,
        d_bias if needs_bias else None,
        *[None] * (1 + len(ctx.settings)),
    )


def _refuse(*_: Any) -> None:
    raise RuntimeError(
        "the engine has no second derivative; dense_margin_softmax has: it is made of PyTorch's own parts"
    )


class _UpdatingRest(torch.autograd.Function):
    """The same with an update, which no operator can take."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        settings: Settings,
        update: Update,
    ) -> tuple[Tensor, ...]:
        inputs = (x, weight, bias, labels, *settings)
        output = _rest(*inputs)
        _save(ctx, inputs, output)
        ctx.update = update
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *d_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        d_rest, d_own, *_ = d_outputs
        return *_differentiate(ctx, d_rest, d_own, update=ctx.update)[:4], None, None


_FIXED = "bool unit, bool bounded, ScalarType? low, int memory_budget, int tile_bytes" + "".join(
    f", bool needs_{name}" for name in ("x", "weight", "bias")
)
torch.library.define(
    "cones::rest",
    f"(Tensor x, Tensor weight, Tensor? bias, Tensor labels, {_FIXED})"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
torch.library.define(
    "cones::rest_backward",
    "(Tensor d_rest, Tensor? d_own, Tensor x, Tensor weight, Tensor? bias, Tensor labels, Tensor norms, Tensor total, "
    f"Tensor maxima, Tensor kept, {_FIXED}) -> (Tensor, Tensor)",
)
torch.library.impl("cones::rest", "default", _rest)
torch.library.impl("cones::rest_backward", "default", _rest_backward)
torch.library.register_fake("cones::rest", _rest_fake)
torch.library.register_fake("cones::rest_backward", _rest_backward_fake)
torch.library.register_autograd("cones::rest", _differentiate, setup_context=_save)
torch.library.register_autograd("cones::rest_backward", _refuse)
