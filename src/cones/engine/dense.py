"""Specification of the engine: losses from the whole (N, K) matrix of logits. N rows, K classes."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..margins import Margin, Rows, with_others_summaries
from .checks import check_arguments, check_fraction
from .draws import draw_seed, with_noise
from .similarity import cross_entropy_of, in_geometry, nearest_center, own_columns, similarities, start_of_statistics


def dense_margin_softmax(
    features: Tensor,
    weight: Tensor,
    labels: Tensor,
    margin: Margin,
    *,
    bias: Tensor | None = None,
    subcenters: int = 1,
    label_smoothing: float = 0.0,
    statistics: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Compute margin-softmax losses from the whole (N, K) matrix of logits: the specification of `margin_softmax`.

        loss_i = -log(exp(t_i) / (exp(t_i) + sum_{j != y_i} exp(o_ij)))

    Args:
        features: (N, D), any floating dtype; N may be 0.
        weight: (K * S, D), rows are classes.
        labels: (N,) integers in 0..K-1.
        margin: the loss.
        bias: (K,), added to the logits after the margin; the scale does not multiply it.
        subcenters: S, centers per class, adjacent in weight.
        label_smoothing: epsilon in [0, 1), the share of the target distribution that is spread over all K classes.
        statistics: the margin's running numbers by name, 0-dim; None for their start.

    Returns:
        (N,) losses, float32 or float64.

    Raises:
        TypeError: an argument has the wrong type, or labels are not integers.
        ValueError: shapes do not fit, a label is outside 0..K-1, or a setting is not possible.

    Source: the softmax loss of the logits; each margin's own reference for t and o.

    Example:
        >>> from cones import ArcFace
        >>> x, w = torch.tensor([[1.0, 1.0]]), torch.eye(2)
        >>> dense_margin_softmax(x, w, torch.tensor([0]), ArcFace(margin=0.0, scale=1.0))      # log 2
        tensor([0.6931])
    """
    check_fraction("label_smoothing", label_smoothing)
    check_arguments(features, weight, labels, margin, bias, subcenters=subcenters)
    with torch.autocast(features.device.type, enabled=False):
        labels, num_classes = labels.long(), len(weight) // subcenters
        statistics = start_of_statistics(margin, num_classes, features.device) if statistics is None else statistics
        class_bias = margin.class_bias(num_classes)
        x, feature_norm = in_geometry(features, weight, margin)
        weight = weight.to(x.dtype)  # once: two gradients that overflow a narrow dtype could add up to inf - inf
        similarity = similarities(x, weight, margin, subcenters)
        own = similarity.gather(1, labels[:, None]).squeeze(1)
        own_centers = weight.unflatten(0, (-1, subcenters))[labels]
        rows = Rows(own, feature_norm, nearest_center(x, own_centers, margin)[1], labels, statistics)
        rows = with_noise(rows, margin, draw_seed() if margin.draws else None)
        rows = with_others_summaries(margin, similarity, own_columns(labels, num_classes), rows)
        target = margin.target(own, rows)
        logits = margin.others(similarity, target, rows).scatter(1, labels[:, None], target[:, None])
        for added in (bias, None if class_bias is None else class_bias.to(logits)):
            logits = logits if added is None else logits + added
        losses = combined(logits, labels, margin, label_smoothing)
        penalty = margin.penalty(rows)
        return losses if penalty is None else losses + penalty


def combined(logits: Tensor, labels: Tensor, margin: Margin, label_smoothing: float = 0.0) -> Tensor:
    """Combine logits (N, K) after the margin into losses (N,), in the obvious way."""
    if not cross_entropy_of(margin):
        target = logits.gather(1, labels[:, None]).squeeze(1)
        return margin.join(target, margin.rest(logits, own_columns(labels, logits.shape[1])))
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)


def logits(
    features: Tensor,
    weight: Tensor,
    margin: Margin,
    *,
    bias: Tensor | None = None,
    subcenters: int = 1,
    statistics: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Logits for prediction, scale * similarity + bias, without label or margin.

    Args:
        features: (N, D).
        weight: (K * S, D).
        margin: gives geometry and scale.
        bias: (K,) or None.
        subcenters: S.
        statistics: the margin's running numbers by name; None for their start.

    Returns:
        (N, K) logits, float32 or float64; argmax over a row predicts its class.

    Raises:
        TypeError, ValueError: as `margin_softmax`.
    """
    check_arguments(features, weight, None, margin, bias, subcenters=subcenters)
    with torch.autocast(features.device.type, enabled=False):
        if statistics is None:
            statistics = start_of_statistics(margin, len(weight) // subcenters, features.device)
        x, _ = in_geometry(features, weight, margin)
        similarity = similarities(x * margin.scale_with(statistics), weight, margin, subcenters)
        return similarity if bias is None else similarity + bias
