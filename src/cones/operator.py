"""The stream over the classes as an operator of PyTorch, `torch.ops.cones.rest`: torch.compile sees one node.

Shapes as in `streaming`: N rows, D dims, K classes, C classes a tile, T tiles.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .first_order import first_order_only, refuse
from .streaming import Update, empty_for_backward, per_total, rest_backward, rest_forward
from .tiles import Settings, vector_dtype


def rest_and_own(
    x: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, settings: Settings, update: Update | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """rest_i = logsumexp_{j != y_i} (x_i . u_j + b_j), W[labels] and sum_j u_j, differentiable in x, weight and bias.

    All come out of one operator so that the gradient of W is gathered in one (K, D) array.

    Args:
        x: (N, D) features in their geometry, scale folded in; float32 or float64.
        weight: (K, D) in its own dtype.
        bias: (K,) or None.
        labels: (N,) int64; where not all classes are here, one of another has no own class among these.
        settings: what is fixed before the step.
        update: takes the gradient of W tile by tile instead of its being returned.

    Returns:
        rest (N,), -inf where there is no other class, in float64 where the device has it, for a difference is taken of
        it; the own rows (N, D) in x's dtype, of some class where the own one is not here; and (D,), empty if not asked
        for.
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
    return cast(tuple[Tensor, Tensor, Tensor], outputs[:3])


def _rest_fake(x: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, *fixed: Any) -> tuple[Tensor, ...]:
    """Shapes and dtypes of what `rest_forward` returns."""
    settings = Settings(*fixed)
    rest, own = x.new_empty(x.shape[0], dtype=vector_dtype(x)), x.new_empty(x.shape)
    center = x.new_empty(x.shape[1] if settings.centered else 0)
    norms = x.new_empty(weight.shape[0] if settings.unit else 0)
    return rest, own, center, norms, *empty_for_backward(x, settings.plan(x, weight), settings)


def _rest_backward_fake(
    d_rest: Tensor,
    d_own: Tensor | None,
    d_center: Tensor | None,
    x: Tensor,
    weight: Tensor,
    *others: Any,
) -> tuple[Tensor, Tensor]:
    """Shapes and dtypes of what `rest_backward` returns."""
    needs_weight, needs_bias = others[-2:]
    d_weight = weight.new_empty(weight.shape if needs_weight else 0)
    return d_weight, weight.new_empty(weight.shape[0] if needs_bias else 0)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, bias, labels, *fixed = inputs
    _, _, _, norms, total, pull, maxima, kept = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(norms, total, pull, maxima, kept)
    ctx.save_for_backward(x, weight, bias, labels, norms, total, pull, maxima, kept)
    ctx.settings = Settings(*fixed)


def _differentiate(
    ctx: Any,
    d_rest: Tensor | None,
    d_own: Tensor | None,
    d_center: Tensor | None,
    *_: None,
    update: Update | None = None,
) -> tuple[Tensor | None, ...]:
    x, weight, bias, labels, norms, total, pull, maxima, kept = ctx.saved_tensors
    needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
    sources = (d_rest, d_own, d_center, x, weight, bias)
    d_x = d_weight = d_bias = None
    with torch.no_grad():
        d_rest = torch.zeros_like(total) if d_rest is None else d_rest
        if needs_x:
            d_x = per_total(d_rest, total, x.dtype)[:, None] * pull
        if needs_weight or needs_bias:
            settings = ctx.settings._replace(needs_x=False, needs_weight=needs_weight, needs_bias=needs_bias)
            d_center = d_center if settings.centered else None
            arguments = (d_rest, d_own, d_center, x, weight, bias, labels, norms, total, maxima, kept, *settings)
            if update is None:
                d_weight, d_bias = torch.ops.cones.rest_backward(*arguments)
            else:
                d_weight, d_bias = rest_backward(*arguments, move=update())
    gradients = (d_x, d_weight if needs_weight and update is None else None, d_bias if needs_bias else None)
    return *first_order_only(gradients, sources), *[None] * (1 + len(ctx.settings))


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
        output = rest_forward(*inputs)
        _save(ctx, inputs, output)
        ctx.update = update
        return output

    @staticmethod
    def backward(ctx: Any, *d_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        d_rest, d_own, d_center, *_ = d_outputs
        return *_differentiate(ctx, d_rest, d_own, d_center, update=ctx.update)[:4], None, None


_FIXED = (
    "bool unit, bool bounded, ScalarType? low, int memory_budget, int tile_bytes, bool whole, bool centered"
    + "".join(f", bool needs_{name}" for name in ("x", "weight", "bias"))
)
torch.library.define(
    "cones::rest",
    f"(Tensor x, Tensor weight, Tensor? bias, Tensor labels, {_FIXED})"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
torch.library.define(
    "cones::rest_backward",
    "(Tensor d_rest, Tensor? d_own, Tensor? d_center, Tensor x, Tensor weight, Tensor? bias, Tensor labels, "
    f"Tensor norms, Tensor total, Tensor maxima, Tensor kept, {_FIXED}) -> (Tensor, Tensor)",
)
torch.library.impl("cones::rest", "default", rest_forward)
torch.library.impl("cones::rest_backward", "default", rest_backward)
torch.library.register_fake("cones::rest", _rest_fake)
torch.library.register_fake("cones::rest_backward", _rest_backward_fake)
torch.library.register_autograd("cones::rest", _differentiate, setup_context=_save)
torch.library.register_autograd("cones::rest_backward", refuse)


@register_flop_formula(torch.ops.cones.rest)
def _rest_flops(x: list[int], weight: list[int], *others: Any, out_shape: Any = None, **_: Any) -> int:
    """Products of features and weight: the logits, and the gradient of the features where it is wanted."""
    needs_x = others[-3]
    return (1 + int(needs_x)) * _product_flops(x, weight)


@register_flop_formula(torch.ops.cones.rest_backward)
def _rest_backward_flops(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """The gradient of the weight where it is wanted, and the logits of the classes that were not kept once more."""
    x, weight, kept, needs_weight = shapes[3], shapes[4], shapes[10], shapes[-2]
    again = 1 - kept[0] / max(x[0] * weight[0], 1)
    return round((int(needs_weight) + again) * _product_flops(x, weight))


def _product_flops(x: list[int], weight: list[int]) -> int:
    """Multiplications and additions of x (N, D) @ weight.T (D, K)."""
    return 2 * x[0] * x[1] * weight[0]
