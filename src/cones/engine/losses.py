"""From features and the classes that are here to losses: what `margin_softmax` and `Head` share.

N rows, D dims, K classes, C of them here, S centers each, P processes, M rows of all processes.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..common.dtypes import vector_dtype, working_dtype
from ..common.unit_vectors import widened
from ..margins import Margin, Rows
from .collective import gather, home, scale_gradient, total
from .custom_op import rest_and_own
from .few_logits import Form, few_logits, ordinary_norms
from .reduction import focus
from .sharding import bring_home, fetch_own, join_ranks, rows_of_all, sum_of_bias
from .similarity import bends, bound_of, cross_entropy_of, in_geometry, nearest_center
from .small import all_at_once, is_few, is_small
from .step import EngineOptions, LocalClasses, RowTerms
from .streaming_bent import bent_rest, map_tensors
from .tiles import is_bounded, settings_for


def losses_over(
    features: Tensor,
    labels: Tensor,
    margin: Margin,
    classes: LocalClasses,
    statistics: Mapping[str, Tensor],
    how: EngineOptions,
    *,
    label_smoothing: float = 0.0,
    focal: float = 0.0,
) -> Tensor:
    """The losses of `margin_softmax`, unchecked.

    Args:
        features: (N, D).
        labels: (N,) int64, numbers among all classes.
        margin: the loss.
        classes: those that are here.
        statistics: the margin's running numbers.
        how: how it is computed.
        label_smoothing: epsilon.
        focal: gamma.

    Returns:
        (N,) losses, float32 or float64.

    Raises:
        ValueError: an update together with what bends the other classes, or smoothing or focus of no cross entropy.
    """
    smooth = label_smoothing > 0
    for name, value in (("label_smoothing", label_smoothing), ("focal", focal)):
        if value > 0 and not cross_entropy_of(margin):
            raise ValueError(
                f"{name} is {value}, but {type(margin).__name__} is no cross entropy over the classes: pass {name}=0"
            )
    with torch.autocast(features.device.type, enabled=False):
        found = target_and_rest(features, labels, margin, classes, statistics, how, sums=smooth)
        losses = cross_entropy = margin.join(found.target, found.rest)
        if found.others_sum is not None:
            mean = (found.target + found.others_sum) / classes.num_classes
            losses = losses + label_smoothing * (found.target - mean)
        if focal > 0:
            losses = losses * focus(cross_entropy, focal)
        penalty = margin.penalty(found.rows)
        losses = losses if penalty is None else losses + penalty
        return losses.to(working_dtype(features, classes.weight))


def target_and_rest(
    features: Tensor,
    labels: Tensor,
    margin: Margin,
    classes: LocalClasses,
    statistics: Mapping[str, Tensor],
    how: EngineOptions,
    *,
    sums: bool = False,
) -> RowTerms:
    """The own class and all the others of each row; arguments as `losses_over`, `sums` asks for `others_sum`."""
    few = _few(features, labels, margin, classes, statistics, how, sums)
    if few is not None:
        return few
    x, feature_norm = in_geometry(features, classes.weight, margin)
    if is_small(x, classes, how):
        return all_at_once(x, feature_norm, labels, margin, classes, statistics, sums)
    own_bias = None
    if classes.bias is not None:
        own_bias = bring_home(classes.bias[classes.nearby()[0]].to(x.dtype), classes)
    others_sum = None
    if bends(margin, classes.subcenters):
        if how.update is not None:
            raise ValueError(
                f"{type(margin).__name__} bends the other classes' logits, or they have several centers, so W cannot "
                f"move in the backward: use torch.optim.SGD instead of ClassSGD"
            )
        rows = _rows_of(x, feature_norm, fetch_own(x, classes), labels, margin, classes, statistics)
        rows = _surveyed(x, margin, rows, classes, how)
        target = margin.target(rows.similarity, rows)
        rest, others_sum = _bent(x, margin, target, rows, classes, how, sums)
    else:
        scaled = x * margin.scale_with(statistics)
        rest, own, center = _streamed(scaled, margin, classes, statistics, how, sums)
        rows = _rows_of(x, feature_norm, own, labels, margin, classes, statistics)
        target = margin.target(rows.similarity, rows)
        if center is not None:
            others_sum = (scaled * center).sum(dim=1) - margin.scale_with(statistics) * rows.similarity
            if own_bias is not None:
                others_sum = others_sum + sum_of_bias(classes, x.dtype) - own_bias
    if own_bias is not None:
        target = target + own_bias
    return RowTerms(rows, target, rest, others_sum)


def _few(
    features: Tensor,
    labels: Tensor,
    margin: Margin,
    classes: LocalClasses,
    statistics: Mapping[str, Tensor],
    how: EngineOptions,
    sums: bool,
) -> RowTerms | None:
    """`target_and_rest` for few logits under a margin that bends no other class, or None where that does not apply."""
    dtype = working_dtype(features, classes.weight)
    if bends(margin, classes.subcenters) or not is_few(len(features), dtype, classes, how):
        return None
    features, weight = features.to(dtype), classes.weight.to(dtype)
    norms = ordinary_norms(features, weight)
    if norms is None:
        return None
    bias = None if classes.bias is None else classes.bias.to(dtype)
    scale = margin.scale_with(statistics)
    bounded = is_bounded(bound_of(margin, statistics, bias), len(weight), dtype)
    form = Form(margin.features, margin.weights, bounded, sums, how.low)
    terms = few_logits(features, weight, bias, scale, classes.places, norms, form)
    rows = Rows(terms.own, terms.feature_norm, terms.weight_norm, labels, statistics)
    target = margin.target(rows.similarity, rows)
    if bias is not None:
        target = target + bias[classes.places]
    return RowTerms(rows, target, terms.rest, terms.others_sum if sums else None)


@torch.no_grad()
def updated_statistics(
    features: Tensor,
    labels: Tensor,
    margin: Margin,
    classes: LocalClasses,
    statistics: Mapping[str, Tensor],
    how: EngineOptions,
) -> dict[str, Tensor]:
    """The margin's running numbers with this step in them, the same on every rank; arguments as `losses_over`."""
    with torch.autocast(features.device.type, enabled=False):
        x, feature_norm = in_geometry(features, classes.weight, margin)
        rows = _rows_of(x, feature_norm, fetch_own(x, classes), labels, margin, classes, statistics)
        ranks = classes.ranks
        if ranks is not None:
            rows = rows_of_all(rows, ranks)
        if len(rows.label) == 0:
            return dict(statistics)

        def rest() -> Tensor:
            here = target_and_rest(features, labels, margin, classes, statistics, how._replace(update=None)).rest
            return here if ranks is None else gather(here, ranks)

        updated = margin.update_statistics(statistics, rows, rest)
        return {name: value.to(statistics[name].dtype) for name, value in updated.items()}


def _rows_of(
    x: Tensor,
    feature_norm: Tensor,
    own: Tensor,
    labels: Tensor,
    margin: Margin,
    classes: LocalClasses,
    statistics: Mapping[str, Tensor],
) -> Rows:
    """What the margin may know of the rows, from x (N, D) and each row's own rows of W, own (N, S * D).

    Worked out in float64 where the device has it, which costs N numbers nothing: in float32 the own class would bring
    most of a loss's error. They stay so unless a tile (N, C) meets them, whose precision they would raise, and whose
    errors cancel with theirs only where both are rounded alike.
    """
    wide = vector_dtype(x)
    centers = widened(own, wide).view(len(x), classes.subcenters, x.shape[1])
    similarity, weight_norm = nearest_center(x.to(wide), centers, margin)
    dtype = x.dtype if bends(margin, classes.subcenters) else wide
    return Rows(similarity.to(dtype), feature_norm.to(dtype), weight_norm.to(dtype), labels, statistics)


def _streamed(
    scaled: Tensor,
    margin: Margin,
    classes: LocalClasses,
    statistics: Mapping[str, Tensor],
    how: EngineOptions,
    centered: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """rest (N,), own rows of W (N, D) and the sum of all unit rows (D,) or None, for features with their scale."""
    weight, bias, _, places, ranks = classes
    if ranks is not None:
        scaled = scale_gradient(gather(scaled, ranks), ranks.world)
    settings = settings_for(
        scaled, weight, bias, margin.weights, bound_of(margin, statistics, bias), how.memory_budget, how.low,
        whole=ranks is None, centered=centered,
    )  # fmt: skip
    rest, own, center = rest_and_own(scaled, weight, bias, places, settings, how.update)
    if ranks is not None:
        rest = join_ranks(rest, margin, ranks)
        if centered:
            center = total(scale_gradient(center, 1 / ranks.world), ranks)
    return rest, bring_home(own, classes), center if centered else None


def _bent(
    x: Tensor, margin: Margin, target: Tensor, rows: Rows, classes: LocalClasses, how: EngineOptions, sums: bool
) -> tuple[Tensor, Tensor | None]:
    """rest (N,), and the sum of the others' logits (N,) or None."""
    weight, bias, subcenters, places, ranks = classes
    if ranks is not None:
        world = ranks.world
        x, target = (scale_gradient(gather(part, ranks), world) for part in (x, target))
        rows = rows_of_all(rows, ranks)
        margin = map_tensors(margin, lambda tensor: scale_gradient(tensor, world))
    settings = settings_for(
        x, weight, bias, margin.weights, math.inf, how.memory_budget, how.low, whole=ranks is None, centered=sums
    )
    rest, others_sum = bent_rest(
        x, weight, bias, places, margin=margin, target=target, rows=rows, subcenters=subcenters, settings=settings
    )
    if ranks is not None:
        rest = join_ranks(rest, margin, ranks)
        others_sum = home(scale_gradient(others_sum, 1 / ranks.world), ranks).sum(dim=0) if sums else others_sum
    return rest, others_sum if sums else None


def _surveyed(x: Tensor, margin: Margin, rows: Rows, classes: LocalClasses, how: EngineOptions) -> Rows:
    """The rows with the margin's surveys: `margins.surveyed` for classes in tiles."""
    classes = classes._replace(bias=None)
    found = []
    for survey in margin.surveys():
        rest, _ = _bent(x, survey, survey.target(rows.similarity, rows), rows, classes, how, False)
        found.append(rest.to(x.dtype))
    return rows._replace(surveys=tuple(found))
