"""Exact margin-softmax losses without the N x K logits.

With t the logit of the own class of a row and rest the logsumexp over all other classes,

    loss = log(1 + exp(rest - t)) = -logsigmoid(t - rest).

t is computed on (N,) vectors; rest streams over tiles of classes. `dense_margin_softmax` is the same loss in the
obvious way, which the engine must equal. N rows, D dims, K classes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..margins import Margin
from .checks import check_arguments, check_fraction, check_settings
from .draws import draw_seed
from .ignored import IGNORE_INDEX, counted
from .losses import losses_over
from .planner import MEMORY_BUDGET
from .processor import warn_if_slow
from .ranks import Group, meet, settings_text
from .similarity import start_of_statistics
from .step import EngineOptions, LocalClasses, Step, added_to_logits


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
    """Compute the loss of every row under a margin, streaming over the classes.

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
        memory_budget: bytes of temporaries; at least one class is processed at a time.
        compute_dtype: torch.bfloat16 to run products in it where that keeps sums and logits in float32 (on a CPU,
            the products of the gradients); None for the precision of the inputs, at least float32.
        subcenters: S, centers per class, adjacent in weight; the similarity to a class is the largest of those to its
            centers.
        label_smoothing: epsilon in [0, 1), the share of the target distribution that is spread over all K classes.
        statistics: the margin's running numbers by name, 0-dim; None for their start.
        ignore_index: the label of rows without a class, whose loss and gradients are 0.

    Returns:
        (N,) losses, float32 or float64.

    Raises:
        TypeError: an argument has the wrong type, or labels are not integers.
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
    seed = draw_seed() if margin.draws else None
    ranks, local_labels, seed = meet(features, labels, here, group, settings=settings, rows=rows, seed=seed)
    bias = added_to_logits(margin, bias, here if ranks is None else ranks.num_classes, weight, ranks)
    if statistics is None:
        statistics = start_of_statistics(margin, here if ranks is None else ranks.num_classes, features.device)
    classes = LocalClasses(weight, bias, subcenters, local_labels, ranks)
    step = Step(labels.long(), margin, classes, statistics, EngineOptions(memory_budget, compute_dtype), seed=seed)
    losses, _ = losses_over(features, step, label_smoothing=label_smoothing)
    return taken.of_all(losses, len(all_features))
