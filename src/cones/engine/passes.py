"""Parts of a step that are the same on one rank and on many: rows against the classes that are here.

N rows (of all ranks, where the classes are sharded), D dims, C classes here, S centers each.
"""

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.dtypes import vector_dtype
from ..common.unit_vectors import widened
from ..margins import Margin, Rows
from .custom_op import rest_and_own
from .similarity import bound_of, nearest_center
from .step import LocalClasses, Population, Step
from .streaming_bent import bent_rest
from .tiles import settings_for


def own_weights(local_labels: Tensor, classes: LocalClasses, dtype: torch.dtype) -> Tensor:
    """Rows of W of each row's own class, (N, S * D), from local labels (N,) of classes that are here."""
    subcenters = classes.subcenters
    index = local_labels[:, None] * subcenters + torch.arange(subcenters, device=local_labels.device)
    # sparse, so that these few rows do not bring an array of the size of W
    return widened(F.embedding(index, classes.weight, sparse=True), dtype).flatten(1)


def own_similarity(x: Tensor, own: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    """Similarity (N,) of features x (N, D) to their own class, from its weights (N, S * D), and the norm (N,) of these.

    Computed in float64 where the device has it, which costs N numbers nothing: in float32 the own class would bring
    most of a loss's error.
    """
    wide = vector_dtype(x)
    centers = widened(own, wide).view(len(x), step.classes.subcenters, x.shape[1])
    similarity, weight_norm = nearest_center(x.to(wide), centers, step.margin)
    dtype = rows_dtype(x, step)
    return similarity.to(dtype), weight_norm.to(dtype)


def rows_dtype(x: Tensor, step: Step) -> torch.dtype:
    """Precision of the numbers that a margin gets of each row.

    float64 where the device has it, unless a tile (N, C) meets them, whose precision they would raise, and whose errors
    cancel with theirs only where both are rounded alike.
    """
    return x.dtype if step.bends else vector_dtype(x)


def closed_pass(x: Tensor, step: Step) -> tuple[Tensor, Tensor, Tensor | None]:
    """Stream over the classes here, for a margin that leaves the others' logits at their scaled similarities.

    Args:
        x: (N, D) features in their geometry.
        step: the other inputs.

    Returns:
        rest (N,) over the classes here; the own rows of W (N, D), of some class where the own one is not here; and the
        sum (N,) of all logits here, that of the own class without margin among them, or None.
    """
    classes, options = step.classes, step.options
    bias, population = classes.bias, classes.population
    bound = bound_of(step.margin, step.statistics, bias)
    if population is not None:
        bias, bound = weighted_bias(bias, population), bound + population.largest
    scaled = x * step.margin.scale_with(step.statistics)
    settings = settings_for(
        scaled, classes.weight, bias, step.margin.weights, bound,
        options.memory_budget, options.compute_dtype, whole=classes.ranks is None, others_sum=step.others_sum,
    )  # fmt: skip
    rest, own, unit_sum = rest_and_own(scaled, classes.weight, bias, classes.local_labels, settings, options.update)
    if population is not None:
        with torch.no_grad():
            exact, *_ = closed_pass(x, of_whole(step))
        rest = with_value(rest, exact, step.margin)
    if not step.others_sum:
        return rest, own, None
    logits_sum = (scaled * unit_sum).sum(dim=1).to(rest.dtype)
    return rest, own, logits_sum if bias is None else logits_sum + bias.to(x.dtype).sum()


def weighted_bias(bias: Tensor | None, population: Population) -> Tensor:
    """The bias (C,) under which a sampled class counts as often as its chance is small."""
    return population.log_weight if bias is None else bias + population.log_weight


def of_whole(step: Step) -> Step:
    """The step over all classes here, for values alone."""
    return step._replace(classes=step.classes.whole(), options=step.options._replace(update=None), others_sum=False)


def with_value(estimate: Tensor, exact: Tensor, margin: Margin) -> Tensor:
    """rest (N,) over all classes, whose gradient is estimated without bias.

        softmax:      rest = exact,   d rest = exp(estimate - exact) d estimate
        one-vs-all:   rest = exact,   d rest = d estimate

    Args:
        estimate: (N,) over the sampled classes, each counted by the inverse of its chance; for a softmax its
            exponential is unbiased, and not itself.
        exact: (N,) over all classes, without gradient.
        margin: says which of the two it is.
    """
    if margin.combine == "softmax":
        # no class at all, sampled or not: -inf on both sides
        estimate = (estimate - exact.masked_fill(exact == -math.inf, 0)).exp()
    return exact + (estimate - estimate.detach())


def without_own(logits_sum: Tensor, rows: Rows, step: Step, own_bias: Tensor | None) -> Tensor:
    """The sum of the others' logits (N,) from that of all logits (N,), scaled similarities with their bias."""
    others_sum = logits_sum - step.margin.scale_with(rows.statistics) * rows.similarity
    return others_sum if own_bias is None else others_sum - own_bias


def bent_pass(
    x: Tensor, rows: Rows, step: Step, total: Callable[[list[Tensor]], Iterable[Tensor]] = iter
) -> tuple[Rows, Tensor, Tensor, Tensor | None]:
    """Go through the classes here with autograd on each tile, for a margin that modifies the others' logits.

    Args:
        x: (N, D) features in their geometry.
        rows: what the margin may know of them, but for summaries of the other classes.
        step: the other inputs.
        total: sums over ranks what each one has of its classes, (N,) for each summary.

    Returns:
        the rows with summaries of the other classes; their target (N,); rest (N,) over the classes here; and the sum
        (N,) of the others' logits here, or None.
    """
    unbiased = step._replace(classes=step.classes.without_bias(), others_sum=False)
    summaries = []
    for summary in step.margin.others_summaries():
        target = summary.target(rows.similarity, rows)
        summaries.append(_over_tiles(x, rows, target, unbiased._replace(margin=summary))[0].to(x.dtype))
    if summaries:
        rows = rows._replace(others_summaries=tuple(total(summaries)))
    target = step.margin.target(rows.similarity, rows)
    rest, others_sum = _over_tiles(x, rows, target, step)
    return rows, target, rest, others_sum if step.others_sum else None


def _over_tiles(x: Tensor, rows: Rows, target: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    classes, options, margin = step.classes, step.options, step.margin
    bias, population, counted = classes.bias, classes.population, None
    if population is not None and margin.combine == "softmax":
        bias = weighted_bias(bias, population)
    elif population is not None:
        counted = population.log_weight.exp()
    settings = settings_for(
        x, classes.weight, bias, margin.weights, math.inf, options.memory_budget, options.compute_dtype,
        whole=classes.ranks is None, others_sum=step.others_sum,
    )  # fmt: skip
    rest, others_sum = bent_rest(
        x, classes.weight, bias, classes.local_labels, margin=margin, target=target, rows=rows,
        subcenters=classes.subcenters, settings=settings, class_weights=counted,
    )  # fmt: skip
    if population is not None:
        with torch.no_grad():
            exact, _ = _over_tiles(x, rows, target, of_whole(step))
        rest = with_value(rest, exact, margin)
    return rest, others_sum


@torch.no_grad()
def updated_statistics(margin: Margin, rows: Rows, rest: Callable[[], Tensor]) -> dict[str, Tensor]:
    """The margin's running numbers with a step in them.

    Args:
        margin: the loss.
        rows: those of all ranks, with the running numbers as the step before left them.
        rest: returns (N,) of these rows over the classes of all ranks; called if the margin asks.
    """
    if len(rows.label) == 0:
        return dict(rows.statistics)
    rows = rows._replace(
        similarity=rows.similarity.detach(),
        feature_norm=rows.feature_norm.detach(),
        weight_norm=rows.weight_norm.detach(),
    )
    updated = margin.update_statistics(rows.statistics, rows, rest)
    return {name: value.to(rows.statistics[name].dtype) for name, value in updated.items()}
