"""The stream over the classes as an operator of PyTorch, `torch.ops.cones.rest`: torch.compile sees one node.

Shapes as in `streaming`: N rows, D dims, K classes, C classes a tile, T tiles.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast, get_type_hints

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from ..common.dtypes import vector_dtype
from ..common.transforms import in_transform
from .first_order import first_order_only, refuse
from .streaming import WeightUpdate, empty_for_backward, per_total, rest_backward, rest_forward
from .tiles import StreamSettings


def rest_and_own(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    local_labels: Tensor,
    settings: StreamSettings,
    update: WeightUpdate | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute rest, own rows of W and the sum of all unit rows, differentiable in x, weight and bias.

        rest_i = logsumexp_{j != y_i} (x_i . u_j + b_j),   W[y_i],   sum_j u_j

    All come out of one operator so that the gradient of W is gathered in one (K, D) array.

    Args:
        x: (N, D) features in their geometry, scale folded in; float32 or float64.
        weight: (K, D) in its own dtype.
        bias: (K,) or None.
        local_labels: (N,) int64; a row whose own class is on another rank has a label outside of 0..K-1.
        settings: static configuration of the pass.
        update: takes the gradient of W tile by tile instead of its being returned.

    Returns:
        rest (N,), -inf where there is no other class, in float64 where the device has it, for a difference is taken of
        it; the own rows (N, D) in x's dtype, of some class where the own one is not here; and the sum (D,), empty
        unless settings.others_sum.
    """
    transformed = in_transform()
    if (update is not None and settings.needs_weight) or not (torch.compiler.is_compiling() or transformed):
        shares = settings.needs_weight and update is None and weight.dtype == x.dtype and weight.is_contiguous()
        settings = settings._replace(shares=shares)
        outputs = _Rest.apply(x, weight, bias, local_labels, settings, update)  # type: ignore[no-untyped-call]
    else:
        try:
            outputs = torch.ops.cones.rest(x, weight, bias, local_labels, *settings)
        except RuntimeError as error:
            if "functorch" in str(error):
                raise RuntimeError(
                    "torch.func does not work with the engine's operator: use dense_margin_softmax instead, "
                    "or torch.autograd.grad"
                ) from error
            raise
    return cast(tuple[Tensor, Tensor, Tensor], outputs[:3])


def _rest_fake(x: Tensor, weight: Tensor, bias: Tensor | None, local_labels: Tensor, *fixed: Any) -> tuple[Tensor, ...]:
    """Shapes and dtypes of the results of `rest_forward`."""
    settings = StreamSettings(*fixed)
    rest, own = x.new_empty(x.shape[0], dtype=vector_dtype(x)), x.new_empty(x.shape)
    unit_sum = x.new_empty(x.shape[1] if settings.others_sum else 0)
    norms = x.new_empty(weight.shape[0] if settings.unit else 0)
    return rest, own, unit_sum, norms, *empty_for_backward(x, settings.plan(x, weight), settings)


def _rest_backward_fake(
    d_rest: Tensor,
    d_own: Tensor | None,
    d_unit_sum: Tensor | None,
    x: Tensor,
    weight: Tensor,
    *others: Any,
) -> tuple[Tensor, Tensor]:
    """Shapes and dtypes of the results of `rest_backward`."""
    settings = _settings_in(others)
    d_weight = weight.new_empty(weight.shape if settings.needs_weight else 0)
    return d_weight, weight.new_empty(weight.shape[0] if settings.needs_bias else 0)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, bias, local_labels, *fixed = inputs
    _, _, _, norms, total, pull, maxima, kept = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(norms, total, pull, maxima, kept)
    ctx.save_for_backward(x, weight, bias, local_labels, norms, total, pull, maxima, kept)
    ctx.settings = StreamSettings(*fixed)


def _differentiate(
    ctx: Any, d_rest: Tensor | None, d_own: Tensor | None, d_unit_sum: Tensor | None, *_: None
) -> tuple[Tensor | None, ...]:
    saved, d_outputs = ctx.saved_tensors, (d_rest, d_own, d_unit_sum)
    gradients = _gradients(saved, d_outputs, ctx.needs_input_grad, ctx.settings, torch.ops.cones.rest_backward)
    return *first_order_only(gradients, (*d_outputs, *saved[:3])), *[None] * (1 + len(ctx.settings))


def _gradients(
    saved: Sequence[Tensor],
    d_outputs: tuple[Tensor | None, ...],
    needs: Sequence[bool],
    settings: StreamSettings,
    backward: Callable[..., tuple[Tensor, Tensor]],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of x, weight and bias, those of the last two by `backward`, a form of `rest_backward`."""
    x, weight, bias, local_labels, norms, total, pull, maxima, kept = saved
    needs_x, needs_weight, needs_bias = needs[:3]
    d_rest, d_own, d_unit_sum = d_outputs
    d_x = d_weight = d_bias = None
    with torch.no_grad():
        d_rest = torch.zeros_like(total) if d_rest is None else d_rest
        if needs_x:
            d_x = per_total(d_rest, total, x.dtype)[:, None] * pull
        if needs_weight or needs_bias:
            settings = settings._replace(needs_x=False, needs_weight=needs_weight, needs_bias=needs_bias)
            d_unit_sum = d_unit_sum if settings.others_sum else None
            d_weight, d_bias = backward(
                d_rest, d_own, d_unit_sum, x, weight, bias, local_labels, norms, total, maxima, kept, *settings
            )
    return d_x, d_weight if needs_weight else None, d_bias if needs_bias else None


class _Rest(torch.autograd.Function):
    """The operator outside of a compiled graph: may take an update, and keep exponentials in the gradient's memory."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        local_labels: Tensor,
        settings: StreamSettings,
        update: WeightUpdate | None,
    ) -> tuple[Tensor, ...]:
        store = weight.new_empty(weight.shape) if settings.shares else None
        rest, own, unit_sum, *others = rest_forward(x, weight, bias, local_labels, *settings, store=store)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, bias, local_labels, *others, store)
        ctx.settings, ctx.update, ctx.spent = settings, update if settings.needs_weight else None, False
        return rest, own, unit_sum

    @staticmethod
    def backward(ctx: Any, *d_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        *saved, store = ctx.saved_tensors
        needs_weight = ctx.needs_input_grad[1]
        memory = None
        if store is not None and needs_weight:
            if ctx.spent:  # the graph is used again: what was kept has been written over
                saved[-1], store = saved[-1].new_empty(0), torch.empty_like(store)
            ctx.spent, memory = True, store.data  # written to behind the back of autograd, which only keeps it alive
        update = ctx.update if needs_weight else None
        if update is not None:
            update.begin()
        backward = partial(rest_backward, update=update, store=memory)
        d_x, d_weight, d_bias = _gradients(saved, d_outputs, ctx.needs_input_grad, ctx.settings, backward)
        gradients = (d_x, None if update is not None else d_weight, d_bias)
        return *first_order_only(gradients, (*d_outputs, *saved[:3])), None, None, None


_SCHEMA_TYPES = {bool: "bool", int: "int", torch.dtype | None: "ScalarType?"}
_FIXED = ", ".join(f"{_SCHEMA_TYPES[kind]} {name}" for name, kind in get_type_hints(StreamSettings).items())
torch.library.define(
    "cones::rest",
    f"(Tensor x, Tensor weight, Tensor? bias, Tensor local_labels, {_FIXED})"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
torch.library.define(
    "cones::rest_backward",
    "(Tensor d_rest, Tensor? d_own, Tensor? d_unit_sum, Tensor x, Tensor weight, Tensor? bias, Tensor local_labels, "
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
    return (1 + int(_settings_in(others).needs_x)) * _product_flops(x, weight)


@register_flop_formula(torch.ops.cones.rest_backward)
def _rest_backward_flops(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """The gradient of the weight where it is wanted, and the logits of the classes that were not kept once more."""
    x, weight, kept, needs_weight = shapes[3], shapes[4], shapes[10], _settings_in(shapes).needs_weight
    again = 1 - kept[0] / max(x[0] * weight[0], 1)
    products: float = int(needs_weight) + again
    return round(products * _product_flops(x, weight))


def _settings_in(arguments: Sequence[Any]) -> StreamSettings:
    """The settings, which are the last arguments of both operators."""
    return StreamSettings(*arguments[-len(StreamSettings._fields) :])


def _product_flops(x: list[int], weight: list[int]) -> int:
    """Multiplications and additions of x (N, D) @ weight.T (D, K)."""
    return int(2 * x[0] * x[1] * weight[0])
