"""A step whose classes are sharded over ranks, in four collectives: two in the forward, two in the backward.

Features go to the ranks that hold the classes. There the passes are those of one rank, for the rows of all ranks, and
what belongs to a row returns to the rank that owns it. The backward has the transpose of both exchanges. A margin that
summarises the other classes before its target needs two more; one whose running numbers depend on the other classes
needs one more.

N rows of this rank, M of all ranks, P ranks, D dims, S centers per class.
"""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.all_ranks import stacked
from ..margins import Margin, Rows
from .collective import gather, home, scale_gradient, total
from .draws import normal_draws, with_noise
from .passes import (
    bent_pass,
    closed_pass,
    own_similarity,
    own_weights,
    rows_dtype,
    updated_statistics,
    without_own,
)
from .ranks import Ranks, rows_of_all
from .step import RowTerms, Step, row_terms
from .streaming_bent import map_tensors


class _AllRows(NamedTuple):
    """The rows of all ranks.

    Attributes:
        x: (M, D) features in their geometry.
        feature_norm: (M,).
        own: (M, S * D) weights of their own classes, or None where not every rank needs them.
        label: (M,) int64.
        here: numbers of the rows whose own class is on this rank.
    """

    x: Tensor
    feature_norm: Tensor
    own: Tensor | None
    label: Tensor
    here: Tensor

    def rows(self, step: Step) -> Rows:
        """Their inputs to the margin."""
        assert self.own is not None
        similarity, weight_norm = own_similarity(self.x, self.own, step)
        rows = Rows(similarity, self.feature_norm, weight_norm, self.label, step.statistics)
        return with_noise(rows, step.margin, step.seed)


def terms_over_ranks(x: Tensor, feature_norm: Tensor, step: Step) -> RowTerms:
    """Compute `target_and_rest` over ranks, from features x (N, D) in their geometry and their norms (N,)."""
    ranks = step.classes.ranks
    assert ranks is not None
    all_rows = _gathered(x, feature_norm, step, ranks)
    # the gradients of what every rank has alike are averaged over the ranks in the end
    there = step._replace(margin=map_tensors(step.margin, partial(scale_gradient, factor=ranks.world)))
    if step.bends:
        return _bent(all_rows, feature_norm, step, there, ranks)
    return _closed(all_rows, feature_norm, step, there, ranks)


def _gathered(x: Tensor, feature_norm: Tensor, step: Step, ranks: Ranks) -> _AllRows:
    """Exchange features, their norms and, where every rank needs them, the weights of their own classes, at once."""
    here, label, owners = step.classes.own_is_here().nonzero().squeeze(1), ranks.labels, ranks.owners()
    assert label is not None
    tensors, counts = [torch.cat([x, feature_norm[:, None]], dim=1)], [ranks.rows]
    if step.bends or step.update_statistics:
        own = own_weights(step.classes.local_labels[here], step.classes, x.dtype)
        # where nothing is bent they are for the running numbers alone, which have no gradient
        tensors.append(own if step.bends else own.detach())
        counts.append(torch.bincount(owners, minlength=ranks.world).tolist())
    packed, *weights = gather(tensors, counts, ranks.group)
    packed = scale_gradient(packed, ranks.world)
    # weights come rank by rank, on each in the order of the rows
    own_of_all = weights[0][owners.argsort(stable=True).argsort()] if weights else None
    return _AllRows(packed[:, :-1], packed[:, -1].to(rows_dtype(x, step)), own_of_all, label, here)


def _closed(all_rows: _AllRows, feature_norm: Tensor, step: Step, there: Step, ranks: Ranks) -> RowTerms:
    """Results of this rank's rows where the others' logits are their scaled similarities."""
    if step.update_statistics:
        unchanged = step._replace(options=step.options._replace(update=None), others_sum=False)
        with torch.no_grad():
            rows = all_rows.rows(step)
        statistics = updated_statistics(
            step.margin,
            rows,
            lambda: _over_ranks(stacked(closed_pass(all_rows.x, unchanged)[0], ranks.group), step.margin),
        )
        step, there = (each._replace(statistics=statistics) for each in (step, there))
    rest, weights, logits_sum = closed_pass(all_rows.x, there)
    here = all_rows.here
    similarity, weight_norm = own_similarity(all_rows.x[here], weights[here], step)
    own = {"similarity": similarity, "weight_norm": weight_norm}
    rest, logits_sum, own = _brought_home(rest, logits_sum, own, here, step, ranks)
    norm = feature_norm.to(similarity.dtype)
    rows = Rows(own["similarity"], norm, own["weight_norm"], step.labels, step.statistics)
    rows = _with_noise_of_own(rows, step.margin, step.seed, ranks)
    own_bias = own.get("bias")
    others_sum = None if logits_sum is None else without_own(logits_sum, rows, step, own_bias)
    return row_terms(rows, step.margin.target(rows.similarity, rows), own_bias, rest, others_sum)


def _with_noise_of_own(rows: Rows, margin: Margin, seed: Tensor | None, ranks: Ranks) -> Rows:
    """Give each row its random number as `with_noise` does, where only this rank's rows (N,) are known.

    A margin that deals out the draws of the whole batch needs the similarities of all rows, one more exchange.
    """
    if not margin.draws:
        return rows
    assert seed is not None
    if not margin.deals:
        return rows._replace(noise=normal_draws(seed, ranks.own_rows, rows.similarity))
    similarity = rows_of_all(rows.similarity.detach(), ranks)
    noise = normal_draws(seed, slice(0, len(similarity)), similarity)
    return rows._replace(noise=margin.deal(noise, similarity)[ranks.own_rows])


def _bent(all_rows: _AllRows, feature_norm: Tensor, step: Step, there: Step, ranks: Ranks) -> RowTerms:
    """Results of this rank's rows where the margin modifies the others' logits, on every rank alike."""
    rows = all_rows.rows(step)

    def summed(summaries: list[Tensor]) -> tuple[Tensor, ...]:
        return total(torch.stack(summaries), ranks).unbind()

    if step.update_statistics:
        unchanged, before = step._replace(others_sum=False), rows
        statistics = updated_statistics(
            step.margin,
            rows,
            lambda: _over_ranks(stacked(bent_pass(all_rows.x, before, unchanged, summed)[2], ranks.group), step.margin),
        )
        rows = rows._replace(statistics=statistics)
    rows, target, rest, others_sum = bent_pass(all_rows.x, rows, there, summed)
    rest, others_sum, own = _brought_home(rest, others_sum, {}, all_rows.here, step, ranks)

    def mine(values: Tensor) -> Tensor:
        return scale_gradient(values[ranks.own_rows], 1 / ranks.world)

    noise = None if rows.noise is None else rows.noise[ranks.own_rows]
    rows = Rows(
        mine(rows.similarity), feature_norm.to(rows.similarity.dtype), mine(rows.weight_norm), step.labels,
        rows.statistics, tuple(map(mine, rows.others_summaries)), noise,
    )  # fmt: skip
    return row_terms(rows, mine(target), own.get("bias"), rest, others_sum)


def _brought_home(
    rest: Tensor, logits_sum: Tensor | None, own: dict[str, Tensor], here: Tensor, step: Step, ranks: Ranks
) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    """Return each row's values to the rank that owns it, all in one exchange.

    Args:
        rest: (M,) over the classes here.
        logits_sum: (M,) over the classes here, or None.
        own: what this rank knows of the own classes of the rows `here`, by name.
        here: numbers of the rows whose own class is on this rank.
        step: the bias of the own class joins these.
        ranks: rows and classes per rank.

    Returns:
        the same of this rank's rows, (N,) each, over the classes of all ranks.
    """
    bias, local_labels = step.classes.bias, step.classes.local_labels[here]
    if bias is not None:
        own = own | {"bias": bias[local_labels]}
    columns = [rest] + [rest.new_zeros(len(rest)).index_copy(0, here, value.to(rest.dtype)) for value in own.values()]
    columns += [] if logits_sum is None else [logits_sum.to(rest.dtype)]
    parts = home(scale_gradient(torch.stack(columns, dim=1), 1 / ranks.world), ranks)
    totals = parts[..., 1:].sum(dim=0).unbind(dim=1)
    returned = {name: value.to(own[name].dtype) for name, value in zip(own, totals, strict=False)}
    return _over_ranks(parts[..., 0], step.margin), None if logits_sum is None else totals[-1], returned


def _over_ranks(parts: Tensor, margin: Margin) -> Tensor:
    """rest (N,) over all classes from parts (P, N), one per rank."""
    if len(parts) == 1:
        return parts[0]
    if margin.combine == "one-vs-all":
        return parts.sum(dim=0)
    # where no rank has another class, autograd's slope of logsumexp would be NaN
    nothing = (parts == -math.inf).all(dim=0)
    return parts.masked_fill(nothing, 0).logsumexp(dim=0).masked_fill(nothing, -math.inf)
