"""Per-row losses from features and local classes: what `margin_softmax` and `Head` share.

N rows, D dims, K classes, C of them here, S centers each.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..common.dtypes import working_dtype
from ..common.transforms import in_forward_mode
from ..margins import Rows
from .draws import with_noise
from .few_logits import Form, few_logits, ordinary_norms
from .passes import (
    bent_pass,
    closed_pass,
    own_similarity,
    own_weights,
    rows_dtype,
    updated_statistics,
    without_own,
)
from .reduction import focus
from .sharding import terms_over_ranks
from .similarity import bound_of, cross_entropy_of, in_geometry, scale_is_running
from .small import all_at_once, is_few, is_small
from .step import RowTerms, Step, row_terms
from .tiles import is_bounded


def losses_over(
    features: Tensor, step: Step, *, label_smoothing: float = 0.0, focal: float = 0.0
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The losses of `margin_softmax`, unchecked.

    Args:
        features: (N, D).
        step: the other inputs.
        label_smoothing: epsilon.
        focal: gamma.

    Returns:
        (N,) losses, float32 or float64; and the margin's running numbers, with the step in them if it updates them.

    Raises:
        ValueError: an update together with a margin that bends the other classes, or smoothing or focus of a loss that
            is not a cross entropy.
    """
    if torch.compiler.is_compiling() or not in_forward_mode():
        return _losses_over(features, step, label_smoothing, focal)
    try:
        return _losses_over(features, step, label_smoothing, focal)
    # the kind that PyTorch raises for an autograd.Function without forward mode, which ours have not: training takes
    # reverse mode alone (README, Limits)
    except NotImplementedError as error:
        raise NotImplementedError(
            "the gradients of the losses are for reverse mode: jvp, jacfwd, hessian and forward_ad do not work; use "
            "torch.func.vjp, jacrev or torch.autograd.grad, and for second derivatives jacrev(jacrev(...))"
        ) from error


def _losses_over(
    features: Tensor, step: Step, label_smoothing: float, focal: float
) -> tuple[Tensor, Mapping[str, Tensor]]:
    margin, smooth = step.margin, label_smoothing > 0
    for name, value in (("label_smoothing", label_smoothing), ("focal", focal)):
        if value > 0 and not cross_entropy_of(margin):
            raise ValueError(
                f"{name} is {value}, but {type(margin).__name__} is not a cross entropy over the classes: pass {name}=0"
            )
    with torch.autocast(features.device.type, enabled=False):
        terms = target_and_rest(features, step._replace(others_sum=smooth))
        losses = cross_entropy = margin.join(terms.target, terms.rest)
        if terms.others_sum is not None and step.classes.num_classes > 1:  # one class is certain, smoothed or not
            mean = (terms.target + terms.others_sum) / step.classes.num_classes
            losses = losses + label_smoothing * (terms.target - mean)
        if focal > 0:
            losses = losses * focus(cross_entropy, focal)
        penalty = margin.penalty(terms.rows)
        losses = losses if penalty is None else losses + penalty
        return losses.to(working_dtype(features, step.classes.weight)), terms.rows.statistics


def target_and_rest(features: Tensor, step: Step) -> RowTerms:
    """Target and rest of each row of features (N, D), whichever way is the fastest.

    Raises:
        ValueError: an update together with a margin that bends the other classes.
    """
    if step.bends and step.options.update is not None:
        raise ValueError(
            f"{type(step.margin).__name__} modifies the non-target logits, or classes have several centers, so W "
            f"cannot be updated in the backward: use torch.optim.SGD instead of ClassSGD"
        )
    terms = _few(features, step)
    if terms is not None:
        return terms
    x, feature_norm = in_geometry(features, step.classes.weight, step.margin)
    if is_small(x, step):
        return all_at_once(x, feature_norm, step)
    if step.classes.ranks is not None:
        return terms_over_ranks(x, feature_norm, step)
    return (_bent if step.bends else _closed)(x, feature_norm, step)


def _few(features: Tensor, step: Step) -> RowTerms | None:
    """`target_and_rest` for few logits under a margin that bends no other class; None where that does not apply."""
    classes, margin = step.classes, step.margin
    dtype = working_dtype(features, classes.weight)
    if step.bends or not is_few(len(features), dtype, step):
        return None
    features, weight = features.to(dtype), classes.weight.to(dtype)
    norms = ordinary_norms(features, weight)
    if norms is None:
        return None
    bias = None if classes.bias is None else classes.bias.to(dtype)
    bounded = is_bounded(bound_of(margin, step.statistics, bias), len(weight), dtype)
    form = Form(margin.features, margin.weights, bounded, step.others_sum, step.options.compute_dtype)
    scale, statistics = margin.scale_with(step.statistics), step.statistics
    terms = few_logits(features, weight, bias, scale, classes.local_labels, norms, form)
    rows = with_noise(
        Rows(terms.own, terms.feature_norm, terms.weight_norm, step.labels, statistics), margin, step.seed
    )
    if step.update_statistics:
        rows = rows._replace(statistics=updated_statistics(margin, rows, lambda: terms.rest))
        if scale_is_running(margin) and margin.scale_with(rows.statistics) is not scale:
            return _few(features, step._replace(statistics=rows.statistics, update_statistics=False))
    own_bias = None if bias is None else bias[classes.local_labels]
    target = margin.target(rows.similarity, rows)
    return row_terms(rows, target, own_bias, terms.rest, terms.others_sum if step.others_sum else None)


def _closed(x: Tensor, feature_norm: Tensor, step: Step) -> RowTerms:
    """`target_and_rest` where the others' logits are their scaled similarities, streamed."""
    if step.update_statistics and scale_is_running(step.margin):
        # the stream needs the scale, and the scale the rows
        unchanged = step._replace(options=step.options._replace(update=None), others_sum=False)
        with torch.no_grad():
            own = own_weights(step.classes.local_labels, step.classes, x.dtype)
            rows = _rows(x, feature_norm, own, step)
        statistics = updated_statistics(step.margin, rows, lambda: closed_pass(x, unchanged)[0])
        step = step._replace(statistics=statistics, update_statistics=False)
    rest, own, logits_sum = closed_pass(x, step)
    rows = _rows(x, feature_norm, own, step)
    if step.update_statistics:
        rows = rows._replace(statistics=updated_statistics(step.margin, rows, lambda: rest))
    own_bias = _own_bias(x, step)
    others_sum = None if logits_sum is None else without_own(logits_sum, rows, step, own_bias)
    return row_terms(rows, step.margin.target(rows.similarity, rows), own_bias, rest, others_sum)


def _bent(x: Tensor, feature_norm: Tensor, step: Step) -> RowTerms:
    """`target_and_rest` where the margin modifies the others' logits, with autograd tile by tile."""
    rows = _rows(x, feature_norm, own_weights(step.classes.local_labels, step.classes, x.dtype), step)
    if step.update_statistics:
        unchanged, before = step._replace(others_sum=False), rows
        statistics = updated_statistics(step.margin, rows, lambda: bent_pass(x, before, unchanged)[2])
        rows = rows._replace(statistics=statistics)
    rows, target, rest, others_sum = bent_pass(x, rows, step)
    return row_terms(rows, target, _own_bias(x, step), rest, others_sum)


def _rows(x: Tensor, feature_norm: Tensor, own: Tensor, step: Step) -> Rows:
    similarity, weight_norm = own_similarity(x, own, step)
    rows = Rows(similarity, feature_norm.to(rows_dtype(x, step)), weight_norm, step.labels, step.statistics)
    return with_noise(rows, step.margin, step.seed)


def _own_bias(x: Tensor, step: Step) -> Tensor | None:
    """(N,) or None."""
    bias = step.classes.bias
    return None if bias is None else bias[step.classes.local_labels].to(x.dtype)
