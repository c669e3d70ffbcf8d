"""logsumexp over the other classes where a margin bends them: the engine's tiles, with autograd on the tile alone.

The products and their gradients are written out as in `streaming`; only the margin's own `others`, which is
elementwise, is differentiated by autograd, one tile at a time. A margin's author writes no backward.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from .margins import Margin, Rows
from .products import product
from .tiles import Settings, Tiles, norms_of


def bent_rest(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    *,
    margin: Margin,
    target: Tensor,
    rows: Rows,
    settings: Settings,
) -> Tensor:
    """rest_i = logsumexp_{j != y_i} (others_ij + b_j), differentiable in whatever it depends on.

    Args:
        x: (N, D) features in their geometry, without the scale, which is the margin's business here.
        weight: (K, D) in its own dtype.
        bias: (K,) or None.
        labels: (N,) int64.
        margin: whose `others` bends the similarities; tensors among its fields get their gradients.
        target: (N,) what the margin's `target` returned.
        rows: what the margin may know of the rows.
        settings: what is fixed before the step.

    Returns:
        (N,) in x's dtype, -inf where there is no other class.
    """
    fixed = _Fixed(margin, rows.label, rows.statistics, settings)
    of_rows = (target, rows.similarity, rows.feature_norm, rows.weight_norm)
    rest = _BentRest.apply(x, weight, bias, labels, fixed, *of_rows, *_tensors(margin))  # type: ignore[no-untyped-call]
    return cast(Tensor, rest)


class _Fixed(NamedTuple):
    """What has no gradient."""

    margin: Margin
    label: Tensor
    statistics: Any
    settings: Settings

    def others(self, similarity: Tensor, variables: tuple[Tensor, ...]) -> Tensor:
        """The margin's logits (N, C), with `variables` for the numbers of the rows and the margin's own tensors."""
        target, own_similarity, feature_norm, weight_norm, *margin_tensors = variables
        rows = Rows(own_similarity, feature_norm, weight_norm, self.label, self.statistics)
        return _with_tensors(self.margin, iter(margin_tensors)).others(similarity, target, rows)


class _BentRest(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        fixed: _Fixed,
        *variables: Tensor,
    ) -> Tensor:
        settings = fixed.settings
        norms = norms_of(weight, x.dtype) if settings.unit else x.new_empty(0)
        tiles = Tiles(x, weight, bias, labels, norms, settings, bent=True)
        kept = x.new_empty(len(x) * tiles.plan.kept if settings.keeps else 0)
        rest = x.new_full((len(x),), -torch.inf)
        for index in range(len(tiles.bounds)):
            similarity = tiles.products(tiles.unit(index))
            place = tiles.place(index, kept)
            if place is not None:
                similarity = place.copy_(similarity)
            bent = _logits(tiles, index, fixed.others(similarity, variables))
            rest = torch.logaddexp(rest, bent.logsumexp(dim=1))
        ctx.save_for_backward(x, weight, bias, labels, norms, rest, kept, *variables)
        ctx.fixed = fixed
        return rest

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_rest: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, labels, norms, rest, kept, *variables = ctx.saved_tensors
        fixed: _Fixed = ctx.fixed
        tiles = Tiles(x, weight, bias, labels, norms, fixed.settings, bent=True)
        needs_x, needs_weight, needs_bias, _, _, *needs = ctx.needs_input_grad
        dtype = fixed.settings.low or x.dtype
        x_low = x.to(dtype)
        d_x = torch.zeros_like(x) if needs_x else None
        d_weight = torch.empty_like(weight) if needs_weight else None
        d_bias = torch.empty_like(bias) if needs_bias else None
        leaves = [variable.detach().requires_grad_(need) for variable, need in zip(variables, needs, strict=True)]
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        d_wanted = [torch.zeros_like(leaf) for leaf in wanted]
        alone = rest == -torch.inf  # K = 1: no other class, no gradient
        finite_rest = torch.where(alone, 0, rest)[:, None]
        factor = torch.where(alone, 0, d_rest)[:, None]
        for index, (start, stop) in enumerate(tiles.bounds):
            place, unit = tiles.place(index, kept), tiles.unit(index)
            similarity = tiles.products(unit) if place is None else place
            similarity = similarity.detach().requires_grad_()
            with torch.enable_grad():
                others = fixed.others(similarity, tuple(leaves))
            upstream = _logits(tiles, index, others.detach()).sub_(finite_rest).exp_().mul_(factor)
            if d_bias is not None:
                d_bias[start:stop] = upstream.sum(dim=0)
            d_similarity, *d_leaves = torch.autograd.grad(
                others, [similarity, *wanted], upstream, allow_unused=True, materialize_grads=True
            )
            for total, part in zip(d_wanted, d_leaves, strict=True):
                total += part
            d_similarity = d_similarity.to(dtype)
            if d_x is not None:
                d_x += product(d_similarity, unit.to(dtype))
            if d_weight is not None:
                d_unit = product(d_similarity.T, x_low).to(x.dtype)
                tiles.through_norm(index, d_unit, d_weight[start:stop])
        found = iter(d_wanted)
        return d_x, d_weight, d_bias, None, None, *(next(found) if leaf.requires_grad else None for leaf in leaves)


def _logits(tiles: Tiles, index: int, bent: Tensor) -> Tensor:
    """bent (N, C) plus bias, with -inf in each row's own column; a copy, for `bent` may be the caller's."""
    start, stop = tiles.bounds[index]
    logits = bent.clone() if tiles.bias is None else bent + tiles.bias[start:stop]
    logits[tiles.own(index)] = -torch.inf
    return logits


def _tensors(margin: Margin) -> Iterator[Tensor]:
    """The tensors among a margin's fields, those of margins in it included."""
    for field in fields(margin):
        value = getattr(margin, field.name)
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Margin):
            yield from _tensors(value)


def _with_tensors(margin: Margin, tensors: Iterator[Tensor]) -> Margin:
    """The margin with other tensors in the places of its own, in the same order."""
    changed: dict[str, Any] = {}
    for field in fields(margin):
        value = getattr(margin, field.name)
        if isinstance(value, Tensor):
            changed[field.name] = next(tensors)
        elif isinstance(value, Margin):
            changed[field.name] = _with_tensors(value, tensors)
    return replace(margin, **changed)
