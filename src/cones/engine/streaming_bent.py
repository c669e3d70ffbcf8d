"""Streaming where a margin modifies the non-target logits, or sums a loss of each, with autograd on each tile.

Products and their gradients are hand-written, as in `streaming`; only the margin's own functions, which are
elementwise, and the choice of the nearest center of a class are differentiated by autograd, one tile at a time. Authors
of margins write no backward.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from ..common.dtypes import vector_dtype
from ..margins import Margin, Rows
from .first_order import first_order_only
from .matmul import product, product_of_many
from .tiles import StreamSettings, Tiles, norms_of


def bent_rest(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    local_labels: Tensor,
    *,
    margin: Margin,
    target: Tensor,
    rows: Rows,
    subcenters: int,
    settings: StreamSettings,
    class_weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Combine the other classes of each row, differentiable in every input.

        rest_i = logsumexp_{j != y_i} z_ij, or sum_{j != y_i} class_loss(z_ij);   z_ij = others_ij + b_j

    Args:
        x: (N, D) features in their geometry, without the scale, which `others` applies.
        weight: (K * S, D) in its own dtype.
        bias: (K,) or None.
        local_labels: (N,) int64; a row whose own class is on another rank has a label outside of 0..K-1.
        margin: whose `others` bends the similarities; tensors among its fields get their gradients.
        target: (N,) logits of the own classes, without bias.
        rows: inputs of the margin.
        subcenters: S; the similarity to a class is the largest of those to its centers.
        settings: static configuration of the pass; `others_sum` asks for the second result.
        class_weights: (K,) factors of each `class_loss`, or None.

    Returns:
        rest (N,), -inf (for a sum 0) where there is no other class; and sum_{j != y_i} z_ij (N,), empty unless
        settings.others_sum.
    """
    fixed = _Fixed(margin, rows.label, rows.statistics, rows.noise, subcenters, settings, class_weights)
    of_rows = (target, rows.similarity, rows.feature_norm, rows.weight_norm)
    results = _BentRest.apply(x, weight, bias, local_labels, fixed, *of_rows, *_tensors(margin))  # type: ignore[no-untyped-call]
    return cast(tuple[Tensor, Tensor], results)


class _Fixed(NamedTuple):
    """Inputs without a gradient."""

    margin: Margin
    label: Tensor
    statistics: Any
    noise: Tensor | None
    subcenters: int
    settings: StreamSettings
    class_weights: Tensor | None

    @property
    def one_vs_all(self) -> bool:
        return self.margin.combine == "one-vs-all"

    def others(
        self, similarity: Tensor, bias: Tensor | None, variables: tuple[Tensor, ...], classes: slice
    ) -> tuple[Tensor, Tensor]:
        """The margin's logits (N, C) of some classes, and the terms to combine, from similarities (N, C * S).

        `variables` are the numbers of the rows and the margin's own tensors.
        """
        target, own_similarity, feature_norm, weight_norm, *margin_tensors = variables
        rows = Rows(own_similarity, feature_norm, weight_norm, self.label, self.statistics, noise=self.noise)
        tensors = iter(margin_tensors)
        margin = map_tensors(self.margin, lambda _: next(tensors))
        if self.subcenters > 1:
            similarity = similarity.unflatten(1, (-1, self.subcenters)).max(dim=2).values
        logits = margin.others(similarity, target, rows)
        logits = logits if bias is None else logits + bias
        if not self.one_vs_all:
            return logits, logits
        losses = margin.class_loss(logits)
        return logits, losses if self.class_weights is None else losses * self.class_weights[classes]


class _BentRest(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        local_labels: Tensor,
        fixed: _Fixed,
        *variables: Tensor,
    ) -> tuple[Tensor, Tensor]:
        settings = fixed.settings
        norms = norms_of(weight, x.dtype) if settings.unit else x.new_empty(0)
        tiles = Tiles(x, weight, bias, local_labels, norms, settings, bent=True, subcenters=fixed.subcenters)
        kept = x.new_empty(len(x) * tiles.plan.kept * fixed.subcenters if settings.keeps else 0)
        rest = x.new_full((len(x),), 0.0 if fixed.one_vs_all else -torch.inf, dtype=vector_dtype(x))
        others_sum = x.new_zeros(len(x) if settings.others_sum else 0)
        for index, (start, stop) in enumerate(tiles.bounds):
            similarity = tiles.products(tiles.unit(index))
            place = tiles.place(index, kept)
            if place is not None:
                similarity = place.copy_(similarity)
            tile = slice(start, stop)
            logits, terms = fixed.others(similarity, None if bias is None else bias[tile], variables, tile)
            if fixed.one_vs_all:
                rest += _without_own(tiles, index, terms, 0.0).sum(dim=1)
            else:
                rest = torch.logaddexp(rest, _logsumexp(_without_own(tiles, index, terms, -torch.inf), rest.dtype))
            if settings.others_sum:
                others_sum += _without_own(tiles, index, logits, 0.0).sum(dim=1)
        ctx.save_for_backward(x, weight, bias, local_labels, norms, rest, kept, *variables)
        ctx.fixed = fixed
        return rest, others_sum

    @staticmethod
    def backward(ctx: Any, d_rest: Tensor, d_sum: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _, _, *needs = ctx.needs_input_grad
        with torch.no_grad():
            d_inputs, d_variables = _bent_backward(
                d_rest, d_sum, saved, ctx.fixed, (needs_x, needs_weight, needs_bias), needs
            )
        gradients = first_order_only((*d_inputs, *d_variables), (d_rest, d_sum, *saved))
        return *gradients[:3], None, None, *gradients[3:]


def _bent_backward(
    d_rest: Tensor,
    d_sum: Tensor,
    saved: tuple[Any, ...],
    fixed: _Fixed,
    needs_inputs: tuple[bool, bool, bool],
    needs_variables: list[bool],
) -> tuple[tuple[Tensor | None, ...], tuple[Tensor | None, ...]]:
    """The gradients of x (N, D), weight (K * S, D) and bias (K,), and those of the variables; None if not needed."""
    x, weight, bias, local_labels, norms, rest, kept, *variables = saved
    tiles = Tiles(x, weight, bias, local_labels, norms, fixed.settings, bent=True, subcenters=fixed.subcenters)
    needs_x, needs_weight, needs_bias = needs_inputs
    dtype = fixed.settings.compute_dtype or x.dtype
    x_rounded = x.to(dtype)
    # in a sum thousands of terms count alike, unlike in a softmax, and float32 would round at each tile
    d_x = torch.zeros_like(x, dtype=vector_dtype(x) if fixed.one_vs_all else x.dtype) if needs_x else None
    d_weight = torch.empty_like(weight) if needs_weight else None
    d_bias = torch.empty_like(bias) if needs_bias else None
    leaves = tuple(
        variable.detach().requires_grad_(need) for variable, need in zip(variables, needs_variables, strict=True)
    )
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    d_wanted = [torch.zeros_like(leaf) for leaf in wanted]
    alone = rest == -torch.inf  # K = 1: no other class, no gradient
    shift = torch.where(alone, 0, rest).to(x.dtype)
    # compensates for rounding of the shift
    factor = torch.where(alone, 0, d_rest if fixed.one_vs_all else d_rest * (shift - rest).exp()).to(x.dtype)[:, None]
    for index, (start, stop) in enumerate(tiles.bounds):
        place, unit = tiles.place(index, kept), tiles.unit(index)
        similarity = tiles.products(unit) if place is None else place
        similarity = similarity.detach().requires_grad_()
        tile_bias = None if bias is None else bias[start:stop].detach().requires_grad_(needs_bias)
        with torch.enable_grad():
            _, terms = fixed.others(similarity, tile_bias, leaves, slice(start, stop))
        if fixed.one_vs_all:
            upstream = _without_own(tiles, index, factor.expand_as(terms), 0.0)
        else:
            upstream = _without_own(tiles, index, terms.detach(), -torch.inf)
            upstream = upstream.sub_(shift[:, None]).exp_().mul_(factor)
            if fixed.settings.others_sum:
                upstream += _without_own(tiles, index, d_sum[:, None].expand_as(terms), 0.0)
        sources = [similarity, *wanted] + ([tile_bias] if tile_bias is not None and needs_bias else [])
        if terms.requires_grad:
            d_similarity, *d_others = torch.autograd.grad(
                terms, sources, upstream, allow_unused=True, materialize_grads=True
            )
        else:  # a constant, such as a count of classes
            d_similarity, *d_others = map(torch.zeros_like, sources)
        if d_bias is not None:
            d_bias[start:stop] = d_others.pop()
        for whole, part in zip(d_wanted, d_others, strict=True):
            whole += part
        d_similarity = d_similarity.to(dtype)
        if d_x is not None:
            d_x += product_of_many(d_similarity, unit.to(dtype))
        if d_weight is not None:
            d_unit = product(d_similarity.T, x_rounded).to(x.dtype)
            tiles.through_norm(index, d_unit, d_weight[tiles.rows(index)])
    remaining = iter(d_wanted)
    d_variables = tuple(next(remaining) if leaf.requires_grad else None for leaf in leaves)
    return (None if d_x is None else d_x.to(x.dtype), d_weight, d_bias), d_variables


def _without_own(tiles: Tiles, index: int, values: Tensor, instead: float) -> Tensor:
    """A copy of values (N, C), which may be views, with another number in each row's own column."""
    values = values.clone(memory_format=torch.contiguous_format)
    values[tiles.own(index)] = instead
    return values


def _logsumexp(terms: Tensor, dtype: torch.dtype) -> Tensor:
    """logsumexp (N,) of terms (N, C), which it overwrites; exponentials in their precision, the rest in dtype."""
    top = terms.amax(dim=1)
    top = torch.where(top == -torch.inf, 0, top)
    return terms.sub_(top[:, None]).exp_().sum(dim=1).to(dtype).log() + top


def map_tensors(margin: Margin, change: Callable[[Tensor], Tensor]) -> Margin:
    """The margin with each tensor among its fields changed, those of margins in it included."""
    changed: dict[str, Any] = {}
    for field in fields(margin):
        value = getattr(margin, field.name)
        if isinstance(value, Tensor):
            changed[field.name] = change(value)
        elif isinstance(value, Margin):
            changed[field.name] = map_tensors(value, change)
    return replace(margin, **changed) if changed else margin


def _tensors(margin: Margin) -> list[Tensor]:
    """The tensors among a margin's fields, in their order."""
    tensors: list[Tensor] = []
    for field in fields(margin):
        value = getattr(margin, field.name)
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, Margin):
            tensors += _tensors(value)
    return tensors
