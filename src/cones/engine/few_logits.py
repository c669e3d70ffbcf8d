"""Few logits of margins that bend no other class: all at once, with hand-written gradients, in few operations.

For any other margin there is `small`, by autograd and for very few logits. N rows, D dims, K classes.
With P = x @ W.T, r_i = 1 / |x_i| and c_j = 1 / |w_j| (1 in a raw geometry),

    similarity_ij = r_i c_j P_ij        rest_i = logsumexp_{j != y_i} (s similarity_ij + b_j)

so that no unit vector is ever formed: normalising is a factor per row and per column. With G the gradient of the
similarities, that of the own class among them, and H_ij = r_i c_j G_ij,

    u_i = sum_j H_ij w_j        d x_i = u_i - r_i^2 (u_i . x_i) x_i
    v_j = sum_i H_ij x_i        d w_j = v_j - c_j^2 (v_j . w_j) w_j

where the second terms remove the component along x_i and w_j, as normalising does. New memory costs more than the
passes here: the logits become their exponentials in place, and the gradient is the one other array of their size.
"""

import math
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from ..common.transforms import is_batched
from ..common.unit_vectors import direction
from ..margins import Geometry
from .matmul import product, product_of_many

FEW = 2**22
"""Logits up to which they are computed at once: passes over them are then cheaper than the stream's over W."""

COPIES = 4
"""Arrays of that size that are alive at once."""

ENOUGH_TO_ROUND = 2**17
"""Logits from which a product in compute_dtype gains more than the conversions cost."""

WIDE_FROM = 512
"""Classes from which the own similarity is computed in float64; below, that would cost as much as the products."""

SUMMED_AT_ONCE = 16
"""Products of the own similarity that are summed in the features' precision."""

ORDINARY = 1e15
"""Norms in [1 / ORDINARY, ORDINARY] have squares, inverse squares and products that keep full precision."""

LOG2_E = math.log2(math.e)


class Form(NamedTuple):
    """Static configuration.

    Attributes:
        features, weight: geometries of the two sides.
        bounded: whether no exponential can overflow or vanish.
        others_sum: whether the sum of the others' logits is wanted.
        compute_dtype: precision of the gradients' products, None for that of the features.
    """

    features: Geometry
    weight: Geometry
    bounded: bool
    others_sum: bool
    compute_dtype: torch.dtype | None = None


class Terms(NamedTuple):
    """Results for the rows, each (N,).

    Attributes:
        own: similarity to the own class.
        feature_norm: norms of the features.
        weight_norm: norms of the own classes' weights.
        rest: logsumexp of the others' logits.
        others_sum: sum of the others' logits, empty if not asked for.
    """

    own: Tensor
    feature_norm: Tensor
    weight_norm: Tensor
    rest: Tensor
    others_sum: Tensor


def ordinary_norms(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """Norms (N,) and (K,) of both sides, without gradient; None if one is zero, not finite, tiny or huge."""
    norms = [torch.linalg.vector_norm(side.detach(), dim=1) for side in (features, weight)]
    shortest, longest = torch.cat(norms).aminmax()
    return (norms[0], norms[1]) if shortest.item() >= 1 / ORDINARY and longest.item() <= ORDINARY else None


def few_logits(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scale: float | Tensor,
    local_labels: Tensor,
    norms: tuple[Tensor, Tensor],
    form: Form,
) -> Terms:
    """Own similarity and rest of each row, differentiable in the first four arguments, any number of times.

    Args:
        features: (N, D), not normalised, in the working precision.
        weight: (K, D) in the same.
        bias: (K,) in the same, or None.
        scale: s, a number or 0-dim.
        local_labels: (N,) int64 in 0..K-1.
        norms: from `ordinary_norms`.
        form: static configuration.

    Returns:
        `Terms`; in float64 where there are many classes.
    """
    scale_tensor = scale if isinstance(scale, Tensor) else None
    number = 1.0 if isinstance(scale, Tensor) else float(scale)
    return Terms(*_FewLogits.apply(features, weight, bias, scale_tensor, local_labels, number, norms, form))  # type: ignore[no-untyped-call]


def by_autograd(
    features: Tensor, weight: Tensor, bias: Tensor | None, scale: float | Tensor, local_labels: Tensor, form: Form
) -> Terms:
    """Compute `few_logits` in PyTorch's own operations, for second derivatives."""
    (unit, feature_norm), (unit_weight, weight_norm) = direction(features), direction(weight)
    x = unit if form.features == "unit" else features
    similarity = x @ (unit_weight if form.weight == "unit" else weight).T
    logits = scale * similarity if bias is None else scale * similarity + bias
    own = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, local_labels[:, None], True)
    rest = logits.masked_fill(own, -math.inf).logsumexp(dim=1)
    others_sum = logits.masked_fill(own, 0).sum(dim=1) if form.others_sum else logits.new_empty(0)
    own_similarity = similarity.gather(1, local_labels[:, None]).squeeze(1)
    return Terms(own_similarity, feature_norm, weight_norm[local_labels], rest, others_sum)


class _FewLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        scale_tensor: Tensor | None,
        local_labels: Tensor,
        number: float,
        norms: tuple[Tensor, Tensor],
        form: Form,
    ) -> tuple[Tensor, ...]:
        # rounded once: an error in the factor of a row is common to all its logits
        inverse = [(norm.double() if _is_wide(x, weight) else norm).reciprocal() for norm in norms]
        row = inverse[0] if form.features == "unit" else None
        column = inverse[1].to(x.dtype) if form.weight == "unit" else None
        logits = product(x, weight.T)
        own, feature_norm, weight_norm = _own_class(x, weight, local_labels, logits, norms, form)
        # powers of 2 are cheaper than those of e: the factor joins the scale
        factor = number * LOG2_E if scale_tensor is None else scale_tensor.to(x.dtype) * LOG2_E
        logits *= factor if row is None else (row * factor).to(x.dtype)[:, None]
        if column is not None:
            logits *= column
        if bias is not None:
            logits += bias * LOG2_E
        own_column = local_labels[:, None]
        others_sum = x.new_empty(0)
        if form.others_sum:
            others_sum = logits.scatter_(1, own_column, 0).sum(dim=1) / LOG2_E
        logits.scatter_(1, own_column, -math.inf)
        if form.bounded:
            exponentials = logits.exp2_()
            total = exponentials.sum(dim=1).to(own.dtype)
            rest = total.log()
        else:
            top = logits.amax(dim=1)
            exponentials = logits.sub_(top[:, None]).exp2_()
            total = exponentials.sum(dim=1).to(own.dtype)
            rest = total.log() + top / LOG2_E
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, bias, scale_tensor, local_labels, *norms, exponentials, total, own)
        row = None if row is None else row.to(x.dtype)
        ctx.row, ctx.column, ctx.number, ctx.form = row, column, number, form
        return own, feature_norm, weight_norm, rest, others_sum

    @staticmethod
    def backward(ctx: Any, *d_terms: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, _, scale_tensor, local_labels, *norms, exponentials, total, own = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, needs_scale = ctx.needs_input_grad[:4]
        if torch.is_grad_enabled():  # a graph of the gradient is wanted
            return *_differentiable_gradients(ctx, d_terms), None, None, None, None
        d_own, d_feature_norm, d_weight_norm, d_rest, d_sum = d_terms
        row, column, form = ctx.row, ctx.column, ctx.form
        scale = ctx.number if scale_tensor is None else scale_tensor
        factor = scale if row is None else row * scale
        d_logits = torch.zeros_like(total) if d_rest is None else d_rest / total
        d_logits = d_logits.to(x.dtype)
        d_bias = None
        # the gradient of P except in the own columns, where the exponentials are 0
        if needs_bias or (form.others_sum and d_sum is not None):
            gradient = exponentials * d_logits[:, None]
            if form.others_sum and d_sum is not None:
                gradient += d_sum[:, None]
                gradient.scatter_(1, local_labels[:, None], 0)
            d_bias = gradient.sum(dim=0) if needs_bias else None
            gradient *= factor if row is None else factor[:, None]
        else:
            coefficient = (d_logits * factor)[:, None]
            gradient = exponentials * coefficient if _is_kept(coefficient) else exponentials.mul_(coefficient)
        if column is not None:
            gradient *= column
        if d_own is not None:
            own_gradient = d_own.to(x.dtype)
            if row is not None:
                own_gradient = own_gradient * row
            if column is not None:
                own_gradient = own_gradient * column[local_labels]
            gradient.scatter_(1, local_labels[:, None], own_gradient[:, None])
        d_x = d_weight = d_scale = None
        if needs_x or needs_scale:
            d_x = _gradient_product(gradient, weight, form.compute_dtype)
            back = None
            if row is not None or needs_scale:
                along = dots(d_x, x)
                if needs_scale:
                    d_scale = (along.sum() if d_own is None else along.sum() - (d_own * own).sum()) / scale
                if row is not None:
                    back = along * row * -row
            if d_feature_norm is not None:
                outward = d_feature_norm.to(x.dtype) / norms[0]
                back = outward if back is None else back + outward
            if back is not None:
                d_x.addcmul_(x, back[:, None])
        if needs_weight:
            d_weight = _gradient_product(gradient.T, x, form.compute_dtype)
            back = None if column is None else dots(d_weight, weight) * column * -column
            if d_weight_norm is not None:
                outward = (d_weight_norm / norms[1][local_labels]).to(x.dtype)
                back = torch.zeros_like(norms[1]) if back is None else back
                back.index_add_(0, local_labels, outward)
            if back is not None:
                d_weight.addcmul_(weight, back[:, None])
        return d_x if needs_x else None, d_weight, d_bias, d_scale, None, None, None, None


def _is_kept(gradient: Tensor) -> bool:
    """Whether a backward under way leaves what was saved for it to another, or is one of several at once."""
    asks = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return asks is None or bool(asks()) or is_batched(gradient)


def dots(a: Tensor, b: Tensor) -> Tensor:
    """Inner products (N,) of the rows of a and b (N, D), without an array of their size."""
    return torch.bmm(a[:, None], b[:, :, None]).view(-1)


def _dots_of_own(x: Tensor, own_weight: Tensor) -> Tensor:
    """The same in float64, but for the products and the sums of a few: new memory of twice the size costs more."""
    few = math.gcd(x.shape[1], SUMMED_AT_ONCE)
    parts: Tensor = (x * own_weight).unflatten(1, (-1, few)).sum(dim=2)
    return parts.sum(dim=1, dtype=torch.float64)


def _gradient_product(a: Tensor, b: Tensor, compute_dtype: torch.dtype | None) -> Tensor:
    if compute_dtype is None or a.numel() < ENOUGH_TO_ROUND:
        return product_of_many(a, b)
    return product(a.to(compute_dtype), b.to(compute_dtype)).to(a.dtype)


def _own_class(
    x: Tensor, weight: Tensor, local_labels: Tensor, products: Tensor, norms: tuple[Tensor, Tensor], form: Form
) -> tuple[Tensor, Tensor, Tensor]:
    """Similarity, feature norm and weight norm (N,) of the own class; in float64 where there are many classes."""
    wide = _is_wide(x, weight)
    own = _dots_of_own(x, weight[local_labels]) if wide else products.gather(1, local_labels[:, None]).squeeze(1)
    feature_norm, weight_norm = norms[0].clone(), norms[1][local_labels]
    if wide:
        feature_norm, weight_norm = feature_norm.double(), weight_norm.double()
    if form.features == "unit":
        own = own / feature_norm
    if form.weight == "unit":
        own = own / weight_norm
    return own, feature_norm, weight_norm


def _is_wide(x: Tensor, weight: Tensor) -> bool:
    """True if (N,) and (K,) numbers are computed in float64."""
    return len(weight) >= WIDE_FROM and x.device.type != "mps"


def _differentiable_gradients(ctx: Any, d_terms: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """The gradients of features, weight, bias and scale with a graph of their own."""
    x, weight, bias, scale_tensor, local_labels, *_ = ctx.saved_tensors
    inputs = [x, weight, bias, scale_tensor]
    terms = by_autograd(x, weight, bias, ctx.number if scale_tensor is None else scale_tensor, local_labels, ctx.form)
    pairs = [
        (term, d_term.to(term.dtype))
        for term, d_term in zip(terms, d_terms, strict=True)
        if d_term is not None and term.requires_grad
    ]
    wanted = [tensor for tensor, needed in zip(inputs, ctx.needs_input_grad, strict=False) if needed]
    outputs, upstream = zip(*pairs, strict=True)
    gradients = iter(torch.autograd.grad(outputs, wanted, upstream, create_graph=True, allow_unused=True))
    return tuple(next(gradients) if needed else None for needed in cast(tuple[bool, ...], ctx.needs_input_grad[:4]))
