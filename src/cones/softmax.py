"""The engine: margin-softmax losses, exact, without the N x K logits.

With t the logit of a row's own class and rest = logsumexp over all the other classes,

    loss = log(1 + exp(rest - t)) = -logsigmoid(t - rest).

t is worked out on (N,) vectors. rest streams over tiles of classes: N rows, D dims, K classes, C of them a tile.
`dense_margin_softmax` is the same loss in the obvious way; the engine must equal it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .arguments import check_labels
from .bending import bent_rest
from .geometry import direction
from .margins import Margin, Rows
from .planner import MEMORY_BUDGET
from .streaming import Update, rest_and_own
from .tiles import settings_for


def margin_softmax(
    features: Tensor,
    weight: Tensor,
    labels: Tensor,
    margin: Margin,
    *,
    bias: Tensor | None = None,
    group: None = None,
    memory_budget: int = MEMORY_BUDGET,
    compute_dtype: torch.dtype | None = None,
) -> Tensor:
    """The loss of every row under a margin, streamed over the classes.

        loss_i = -logsigmoid(t_i - logsumexp_{j != y_i} o_ij)

    Equals `dense_margin_softmax` to rounding, whatever the tile size or the memory budget.

    Args:
        features: (N, D), any floating dtype; N may be 0.
        weight: (K, D), rows are classes; kept in its own dtype, gradients come back in it.
        labels: (N,) integers in 0..K-1.
        margin: the loss.
        bias: (K,), added to the logits after the margin; the scale does not multiply it.
        group: process group over which the classes are sharded; only None so far.
        memory_budget: bytes of temporaries, at least one class at a time.
        compute_dtype: torch.bfloat16 to run products in it where that keeps sums and logits in float32 (on a CPU,
            the products of the gradients); None for the precision of the inputs, at least float32.

    Returns:
        (N,) losses, float32 or float64.

    Raises:
        TypeError: an argument is not what it should be, or labels are not integers.
        ValueError: shapes do not fit, a label is outside 0..K-1, or a setting is not possible.

    Source: the identity above; each margin's own reference for t and o.

    Example:
        >>> from cones import ArcFace
        >>> x, w = torch.tensor([[1.0, 1.0]]), torch.eye(2)
        >>> margin_softmax(x, w, torch.tensor([0]), ArcFace(margin=0.0, scale=1.0))      # log 2
        tensor([0.6931])
    """
    check_arguments(features, weight, labels, margin, bias, group)
    check_settings(memory_budget, compute_dtype)
    return losses_over(
        features,
        weight,
        labels.long(),
        labels.long(),
        margin,
        bias=added_to_logits(margin, bias, weight),
        memory_budget=memory_budget,
        low=compute_dtype,
    )


def losses_over(
    features: Tensor,
    weight: Tensor,
    places: Tensor,
    labels: Tensor,
    margin: Margin,
    *,
    bias: Tensor | None,
    memory_budget: int,
    low: torch.dtype | None,
    update: Update | None = None,
) -> Tensor:
    """The losses of `margin_softmax` over some of the classes, unchecked.

    Args:
        features: (N, D).
        weight: (S, D), the rows of W of these classes.
        places: (N,) int64, where each row's own class stands among them.
        labels: (N,) int64, its number among all.
        margin: the loss.
        bias: (S,) all that is added to the logits after the margin, or None.
        memory_budget: bytes.
        low: precision of the gradients' products, or None for that of the inputs.
        update: takes the gradient of weight tile by tile, in the backward, instead of its being returned.

    Returns:
        (N,) losses, float32 or float64.

    Raises:
        ValueError: an update together with a margin that bends the other classes.
    """
    with torch.autocast(features.device.type, enabled=False):
        work = _working_dtype(features, weight)
        x, feature_norm = direction(features.to(work))
        if margin.features == "raw":
            x = features.to(work)
        if bends(margin):
            if update is not None:
                raise ValueError(
                    f"{type(margin).__name__} bends the other classes' logits, so W cannot move in the backward: "
                    f"use torch.optim.SGD instead of ClassSGD"
                )
            settings = settings_for(x, weight, bias, margin.weights, math.inf, memory_budget, low)
            # sparse, so that these few rows do not bring a (K, D) array of their own
            own = F.embedding(places, weight, sparse=True).to(work)
            rows, target = _own_class(x, own, feature_norm, labels, margin)
            rest = bent_rest(x, weight, bias, places, margin=margin, target=target, rows=rows, settings=settings)
        else:
            scaled = x * margin.scale
            settings = settings_for(scaled, weight, bias, margin.weights, _bound(margin, bias), memory_budget, low)
            rest, own = rest_and_own(scaled, weight, bias, places, settings, update)
            rows, target = _own_class(x, own, feature_norm, labels, margin)
        if bias is not None:
            target = target + bias[places].to(work)
        return _with_penalty(-F.logsigmoid(target - rest).to(work), margin, rows)


def bends(margin: Margin) -> bool:
    """Whether a margin changes the logits of other classes by more than its scale."""
    return type(margin).others is not Margin.others


def dense_margin_softmax(
    features: Tensor, weight: Tensor, labels: Tensor, margin: Margin, *, bias: Tensor | None = None
) -> Tensor:
    """The same losses from the whole (N, K) matrix of logits: the specification of `margin_softmax`.

    Arguments, returns and errors are those of `margin_softmax`.
    """
    check_arguments(features, weight, labels, margin, bias, None)
    with torch.autocast(features.device.type, enabled=False):
        labels = labels.long()
        bias = added_to_logits(margin, bias, weight)
        x, w, feature_norm, weight_norm = _geometry(features, weight, margin)
        similarity = x @ w.T
        own = similarity.gather(1, labels[:, None]).squeeze(1)
        rows = Rows(own, feature_norm, weight_norm[labels], labels, {})
        target = margin.target(own, rows)
        logits = margin.others(similarity, target, rows).scatter(1, labels[:, None], target[:, None])
        losses = F.cross_entropy(logits if bias is None else logits + bias, labels, reduction="none")
        return _with_penalty(losses, margin, rows)


def logits(features: Tensor, weight: Tensor, margin: Margin, *, bias: Tensor | None = None) -> Tensor:
    """What predicts: scale * similarity + bias, without label or margin.

    Args:
        features: (N, D).
        weight: (K, D).
        margin: says the geometry and the scale.
        bias: (K,) or None.

    Returns:
        (N, K) logits, float32 or float64; argmax over a row predicts its class.

    Raises:
        TypeError, ValueError: as `margin_softmax`.
    """
    check_arguments(features, weight, None, margin, bias, None)
    with torch.autocast(features.device.type, enabled=False):
        x, w, _, _ = _geometry(features, weight, margin)
        similarity = (x * margin.scale) @ w.T
        return similarity if bias is None else similarity + bias


def check_arguments(
    features: Tensor,
    weight: Tensor,
    labels: Tensor | None,
    margin: Margin,
    bias: Tensor | None,
    group: object,
) -> None:
    """Raise an error that names the argument, what it got, what was expected and the fix."""
    if not isinstance(margin, Margin):
        raise TypeError(f"margin is {margin!r}, expected a cones.Margin such as ArcFace(margin=0.5, scale=64.0)")
    if group is not None:
        raise ValueError(f"group is {group!r}: classes cannot be sharded over processes yet, pass group=None")
    for name, tensor in (("features", features), ("weight", weight)):
        if not tensor.is_floating_point():
            raise TypeError(f"{name} has dtype {tensor.dtype}, expected a floating dtype: call {name}.float()")
        if tensor.dim() != 2:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected 2 dimensions, one vector a row")
    if weight.shape[0] == 0:
        raise ValueError(f"weight has shape {tuple(weight.shape)}, expected at least one class")
    if features.shape[1] != weight.shape[1]:
        raise ValueError(
            f"features has {features.shape[1]} dims and weight {weight.shape[1]}: both must have the same D "
            f"(features {tuple(features.shape)}, weight {tuple(weight.shape)})"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias has shape {tuple(bias.shape)}, expected ({weight.shape[0]},), one a class")
    for name, other in (("weight", weight), ("labels", labels), ("bias", bias)):
        if other is not None and other.device != features.device:
            raise ValueError(f"{name} is on {other.device} but features on {features.device}: move one of them")
    if labels is not None:
        check_labels(labels, len(features), weight.shape[0])


def _bound(margin: Margin, bias: Tensor | None) -> float:
    """A number that no logit of another class exceeds in size, math.inf where none is known."""
    known = margin.features == margin.weights == "unit" and isinstance(margin.scale, float | int) and bias is None
    # a cosine may pass 1 by rounding
    return 1.001 * abs(float(margin.scale)) if known else math.inf


def check_settings(memory_budget: int, compute_dtype: torch.dtype | None) -> None:
    """Raise a ValueError for a budget or a precision that cannot be."""
    if memory_budget < 1:
        raise ValueError(f"memory_budget is {memory_budget}, expected a number of bytes above 0")
    if compute_dtype not in (None, torch.bfloat16):
        raise ValueError(
            f"compute_dtype is {compute_dtype}, expected torch.bfloat16, or None for the inputs' precision"
        )


def _working_dtype(features: Tensor, weight: Tensor) -> torch.dtype:
    return torch.promote_types(torch.promote_types(features.dtype, weight.dtype), torch.float32)


def _geometry(features: Tensor, weight: Tensor, margin: Margin) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features (N, D) and weight (K, D) in the margin's geometry, and their norms (N,) and (K,)."""
    work = _working_dtype(features, weight)
    unit_x, feature_norm = direction(features.to(work))
    unit_w, weight_norm = direction(weight.to(work))
    x = unit_x if margin.features == "unit" else features.to(work)
    w = unit_w if margin.weights == "unit" else weight.to(work)
    return x, w, feature_norm, weight_norm


def _own_class(x: Tensor, own: Tensor, feature_norm: Tensor, labels: Tensor, margin: Margin) -> tuple[Rows, Tensor]:
    """The rows and their target logits (N,), from x (N, D) and each row's own row of W, own (N, D)."""
    unit, weight_norm = direction(own)
    similarity = (x * (unit if margin.weights == "unit" else own)).sum(dim=1)
    rows = Rows(similarity, feature_norm, weight_norm, labels, {})
    return rows, margin.target(similarity, rows)


def added_to_logits(margin: Margin, bias: Tensor | None, weight: Tensor) -> Tensor | None:
    """All that is added to the logits after the margin, (K,) or None: the layer's bias and the margin's class bias."""
    class_bias = margin.class_bias(len(weight))
    if class_bias is None:
        return bias
    class_bias = class_bias.to(weight.device)
    return class_bias if bias is None else bias + class_bias


def _with_penalty(losses: Tensor, margin: Margin, rows: Rows) -> Tensor:
    penalty = margin.penalty(rows)
    return losses if penalty is None else losses + penalty
