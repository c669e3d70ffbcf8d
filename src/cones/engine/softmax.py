"""The engine: margin-softmax losses, exact, without the N x K logits.

With t the logit of a row's own class and rest = logsumexp over all the other classes,

    loss = log(1 + exp(rest - t)) = -logsigmoid(t - rest).

t is worked out on (N,) vectors. rest streams over tiles of classes: N rows, D dims, K classes, C of them a tile.
`dense_margin_softmax` is the same loss in the obvious way; the engine must equal it.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.unit_vectors import direction
from ..margins import Margin, Rows, surveyed
from .checks import check_arguments, check_fraction, check_settings, working_dtype
from .collective import Group, Ranks, meet, settings_text
from .ignored import IGNORE_INDEX, counted
from .losses import losses_over
from .planner import MEMORY_BUDGET
from .processor import warn_if_slow
from .similarity import cross_entropy_of, in_geometry, nearest_center
from .step import Classes, How, own_columns


def margin_softmax(
    features: Tensor,
    weight: Tensor,
    labels: Tensor,
    margin: Margin,
    *,
    bias: Tensor | None = None,
    group: Group = None,
    memory_budget: int = MEMORY_BUDGET,
    compute_dtype: torch.dtype | None = None,
    subcenters: int = 1,
    label_smoothing: float = 0.0,
    statistics: Mapping[str, Tensor] | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """The loss of every row under a margin, streamed over the classes.

        loss_i = -logsigmoid(t_i - logsumexp_{j != y_i} o_ij)

    Equals `dense_margin_softmax` to rounding, whatever the tile size or the memory budget.

    Args:
        features: (N, D), any floating dtype; N may be 0.
        weight: (K * S, D), rows are classes; kept in its own dtype, gradients come back in it.
        labels: (N,) integers in 0..K-1.
        margin: the loss.
        bias: (K,), added to the logits after the margin; the scale does not multiply it.
        group: process group over which the classes are sharded, each rank with its own rows of features, of weight and
            of bias, the classes in the order of the ranks. Each rank gets the losses of its own rows; gradients are
            averaged over the ranks, as DistributedDataParallel does with those of the backbone.
        memory_budget: bytes of temporaries, at least one class at a time.
        compute_dtype: torch.bfloat16 to run products in it where that keeps sums and logits in float32 (on a CPU,
            the products of the gradients); None for the precision of the inputs, at least float32.
        subcenters: S, centers a class, which stand together in weight; the similarity to a class is the largest of
            those to its centers.
        label_smoothing: epsilon in [0, 1): the share of a row's target that is spread over all K classes.
        statistics: the margin's running numbers by name, 0-dim; None for their start.
        ignore_index: the label of rows without a class: their loss is 0, and no gradient comes of them.

    Returns:
        (N,) losses, float32 or float64.

    Raises:
        TypeError: an argument is not what it should be, or labels are not integers.
        ValueError: shapes do not fit, a label is outside 0..K-1 (on any rank), or a setting is not possible.

    Source: the identity above; each margin's own reference for t and o.

    Example:
        >>> from cones import ArcFace
        >>> x, w = torch.tensor([[1.0, 1.0]]), torch.eye(2)
        >>> margin_softmax(x, w, torch.tensor([0]), ArcFace(margin=0.0, scale=1.0))      # log 2
        tensor([0.6931])
    """
    check_settings(memory_budget, compute_dtype)
    check_fraction("label_smoothing", label_smoothing)
    all_features, taken = features, counted(features, labels, ignore_index)
    features, labels, rows, _ = taken
    check_arguments(
        features, weight, None if group is not None else labels, margin, bias, subcenters=subcenters, rows=rows
    )
    if compute_dtype is not None and features.device.type == "cpu":
        warn_if_slow(*weight.shape[::-1], instead="compute_dtype=None")
    here = len(weight) // subcenters
    settings = {} if group is None else settings_text(
        margin, dims=features.shape[1], dtype=features.dtype, bias=bias is not None, compute_dtype=compute_dtype,
        subcenters=subcenters, label_smoothing=label_smoothing,
    )  # fmt: skip
    ranks, places = meet(features, labels, here, group, settings=settings, rows=rows)
    bias = added_to_logits(margin, bias, here if ranks is None else ranks.num_classes, weight, ranks)
    if statistics is None:
        statistics = start_of_statistics(margin, here if ranks is None else ranks.num_classes, features.device)
    losses = losses_over(
        features,
        labels.long(),
        margin,
        Classes(weight, bias, subcenters, places, ranks),
        statistics,
        How(memory_budget, compute_dtype),
        label_smoothing=label_smoothing,
    )
    return taken.of_all(losses, len(all_features))


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
    """The same losses from the whole (N, K) matrix of logits: the specification of `margin_softmax`.

        loss_i = -log(exp(t_i) / (exp(t_i) + sum_{j != y_i} exp(o_ij)))

    Args:
        features: (N, D), any floating dtype; N may be 0.
        weight: (K * S, D), rows are classes.
        labels: (N,) integers in 0..K-1.
        margin: the loss.
        bias: (K,), added to the logits after the margin; the scale does not multiply it.
        subcenters: S, centers a class, which stand together in weight.
        label_smoothing: epsilon in [0, 1): the share of a row's target that is spread over all K classes.
        statistics: the margin's running numbers by name, 0-dim; None for their start.

    Returns:
        (N,) losses, float32 or float64.

    Raises:
        TypeError: an argument is not what it should be, or labels are not integers.
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
        bias = added_to_logits(margin, bias, num_classes, weight, None)
        x, feature_norm = in_geometry(features, weight, margin)
        weight = weight.to(x.dtype)  # once: two gradients that overflow a narrow dtype could add up to inf - inf
        similarity = _similarity(x, weight, margin, subcenters)
        own = similarity.gather(1, labels[:, None]).squeeze(1)
        own_centers = weight.unflatten(0, (-1, subcenters))[labels]
        rows = Rows(own, feature_norm, nearest_center(x, own_centers, margin)[1], labels, statistics)
        rows = surveyed(margin, similarity, own_columns(labels, num_classes), rows)
        target = margin.target(own, rows)
        logits = margin.others(similarity, target, rows).scatter(1, labels[:, None], target[:, None])
        logits = logits if bias is None else logits + bias
        losses = combined(logits, labels, margin, label_smoothing)
        penalty = margin.penalty(rows)
        return losses if penalty is None else losses + penalty


def combined(logits: Tensor, labels: Tensor, margin: Margin, label_smoothing: float = 0.0) -> Tensor:
    """The losses (N,) of logits (N, K) after the margin, in the obvious way."""
    if not cross_entropy_of(margin):
        target = logits.gather(1, labels[:, None]).squeeze(1)
        own = own_columns(labels, logits.shape[1])
        if margin.combine == "one-vs-all":
            return margin.join(target, margin.class_loss(logits).masked_fill(own, 0).sum(dim=1))
        return margin.join(target, logits.masked_fill(own, -torch.inf).logsumexp(dim=1))
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
    """What predicts: scale * similarity + bias, without label or margin.

    Args:
        features: (N, D).
        weight: (K * S, D).
        margin: says the geometry and the scale.
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
        similarity = _similarity(x * margin.scale_with(statistics), weight, margin, subcenters)
        return similarity if bias is None else similarity + bias


def _similarity(x: Tensor, weight: Tensor, margin: Margin, subcenters: int) -> Tensor:
    """(N, K) products of features x (N, D) with the nearest center of each class."""
    weight = weight.to(x.dtype)
    products = x @ (direction(weight)[0] if margin.weights == "unit" else weight).T
    return products.unflatten(1, (-1, subcenters)).max(dim=2).values if subcenters > 1 else products


def added_to_logits(
    margin: Margin, bias: Tensor | None, num_classes: int, weight: Tensor, ranks: Ranks | None
) -> Tensor | None:
    """All that is added to the logits of the classes here after the margin, (C,) or None: the layer's bias and the
    margin's class bias."""
    class_bias = margin.class_bias(num_classes)
    if class_bias is None:
        return bias
    class_bias = class_bias.to(weight.device, working_dtype(weight))
    if ranks is not None:
        class_bias = class_bias[ranks.first_class :][: ranks.classes[ranks.rank]]
    return class_bias if bias is None else bias + class_bias


def start_of_statistics(margin: Margin, num_classes: int, device: torch.device) -> dict[str, Tensor]:
    """The margin's running numbers by name, 0-dim float32, as they start."""
    return {
        name: torch.tensor(value, device=device, dtype=torch.float32)
        for name, value in margin.init_statistics(num_classes).items()
    }
