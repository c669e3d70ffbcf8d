"""Argument validation."""

import math
from collections.abc import Collection, Iterable
from dataclasses import fields
from numbers import Integral, Real

import torch
import torch.distributed as dist
from torch import Tensor

from ..common.checks import check_count, check_not_negative
from ..common.transforms import in_transform, numbers_of
from ..margins import Margin


def check_arguments(
    features: Tensor,
    weight: Tensor,
    labels: Tensor | None,
    margin: Margin,
    bias: Tensor | None,
    *,
    subcenters: int = 1,
    rows: Tensor | None = None,
) -> None:
    """Raise TypeError or ValueError for arguments that do not fit together.

    Args:
        features: (N, D).
        weight: (C * S, D), the classes that are here.
        labels: (N,) or None.
        margin: the loss.
        bias: (C,) or None.
        subcenters: S.
        rows: (N,) the numbers of the rows among the caller's, where some were left out.
    """
    check_margin_kind(margin)
    check_features_and_weight(features, weight)
    if subcenters < 1 or weight.shape[0] % subcenters:
        raise ValueError(
            f"subcenters is {subcenters}, but weight has {weight.shape[0]} rows: expected a whole number of classes "
            f"of {subcenters} centers each"
        )
    here = weight.shape[0] // subcenters
    if bias is not None and bias.shape != (here,):
        raise ValueError(f"bias has shape {tuple(bias.shape)}, expected ({here},), one per class")
    if labels is not None:
        check_tensor("labels", labels)
    for name, other in (("weight", weight), ("labels", labels), ("bias", bias)):
        if other is not None and other.device != features.device:
            raise ValueError(f"{name} is on {other.device} but features on {features.device}: move one of them")
    if labels is not None:
        check_labels(labels, len(features), here, rows)


def check_tensor(name: str, value: object) -> None:
    """Raise TypeError unless `value` is a tensor."""
    if not isinstance(value, Tensor):
        kind = type(value)
        written = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise TypeError(f"{name} is a {written}, expected a torch.Tensor: call torch.as_tensor({name})")


def check_margin_kind(margin: object) -> None:
    """Raise TypeError unless `margin` is a margin; of a class that lacks its brackets the error says so."""
    if isinstance(margin, type) and issubclass(margin, Margin):
        raise TypeError(f"margin is the class {margin.__name__}, expected one of its values: write {margin.__name__}()")
    if not isinstance(margin, Margin):
        raise TypeError(f"margin is {margin!r}, expected a cones.Margin such as ArcFace(margin=0.5, scale=64.0)")


def check_dense(name: str, tensor: Tensor) -> None:
    """Raise TypeError for a sparse tensor."""
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name} has layout {tensor.layout}, expected a dense tensor: call {name}.to_dense()")


def check_vectors(name: str, vectors: Tensor) -> None:
    """Raise TypeError or ValueError unless `vectors` is floating and two-dimensional, one vector per row."""
    check_tensor(name, vectors)
    check_dense(name, vectors)
    if not vectors.is_floating_point() or vectors.dtype.itemsize < 2:
        bits = " of 16 bits or more" if vectors.is_floating_point() else ""
        raise TypeError(f"{name} has dtype {vectors.dtype}, expected a floating dtype{bits}: call {name}.float()")
    if vectors.dim() != 2:
        raise ValueError(f"{name} has shape {tuple(vectors.shape)}, expected 2 dimensions, one vector per row")


def check_weight(weight: Tensor) -> None:
    """Raise TypeError or ValueError unless `weight` is (K, D) with at least one class."""
    check_vectors("weight", weight)
    if len(weight) == 0:
        raise ValueError(f"weight has shape {tuple(weight.shape)}, expected at least one class")


def check_features_and_weight(features: Tensor, weight: Tensor) -> None:
    """Raise TypeError or ValueError unless features are (N, D) and weight (K, D), at least one class."""
    check_vectors("features", features)
    check_weight(weight)
    if features.shape[1] != weight.shape[1]:
        raise ValueError(
            f"features has {features.shape[1]} dims and weight {weight.shape[1]}: both must have the same D "
            f"(features {tuple(features.shape)}, weight {tuple(weight.shape)})"
        )


def check_settings(memory_budget: object, compute_dtype: torch.dtype | None, dtype: torch.dtype | None = None) -> None:
    """Raise TypeError or ValueError for an impossible budget or precision of products or of parameters."""
    if dtype not in (None, torch.float32, torch.float64, torch.bfloat16, torch.float16):
        raise TypeError(f"dtype is {dtype!r}, expected torch.float32, float64, bfloat16 or float16, or None")
    if not isinstance(memory_budget, Real) or not 1 <= float(memory_budget) < math.inf:
        raise ValueError(f"memory_budget is {memory_budget!r}, expected a number of bytes above 0")
    if compute_dtype not in (None, torch.bfloat16):
        raise ValueError(
            f"compute_dtype is {compute_dtype}, expected torch.bfloat16, or None for the inputs' precision"
        )


def check_labels(labels: Tensor, num_rows: int, num_classes: int, rows: Tensor | None = None) -> None:
    """Raise TypeError or ValueError unless `labels` is (num_rows,) of integers in 0..num_classes-1.

    Their values are not looked at where there are none (the meta device); in a compiled graph they are as it runs.
    """
    check_label_kind(labels, num_rows)
    if torch.compiler.is_compiling():  # a graph cannot branch on numbers, so that the error cannot name the row
        torch._assert_async(
            ((labels >= 0) & (labels < num_classes)).all(),
            f"labels holds a number outside of 0..{num_classes - 1}, the classes of the head: number the classes from "
            "0, or build the head with more",
        )
    elif not labels.is_meta:
        check_range(labels, num_classes, rows)


def check_label_kind(labels: Tensor, num_rows: int) -> None:
    """Raise TypeError or ValueError unless `labels` is (num_rows,) of integers."""
    check_tensor("labels", labels)
    if labels.dim() == 2 and labels.shape[0] == num_rows and labels.shape[1] > 1:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}: several classes per row (multi-hot or soft targets) are not "
            f"supported, expected ({num_rows},), one class per row; without a margin "
            f"F.binary_cross_entropy_with_logits(head.logits(features), labels) trains on them"
        )
    check_dense("labels", labels)
    if labels.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        raise TypeError(f"labels has dtype {labels.dtype}, expected integers: call labels.long()")
    if labels.shape != (num_rows,):
        fix = ": call labels.squeeze(1)" if labels.shape == (num_rows, 1) else ""
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}, expected ({num_rows},), one per row of features{fix}"
        )


def check_range(labels: Tensor, num_classes: int, rows: Tensor | None = None) -> None:
    """Raise ValueError unless labels (N,) are in 0..num_classes-1; `rows` (N,) are their numbers, None for 0..N-1."""
    labels = numbers_of(labels)
    if labels.numel() == 0:
        return
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or high >= num_classes:
        place = ((labels < 0) | (labels >= num_classes)).nonzero()[0].tolist()
        named = place if rows is None else [int(rows[place[0]])]
        raise ValueError(
            f"labels{named} is {int(labels[tuple(place)])}, but the head has {num_classes} classes "
            f"(0..{num_classes - 1}): number the classes from 0, or build the head with more"
        )


def check_head(
    in_features: int,
    num_classes: int,
    margin: Margin,
    *,
    bias: object,
    learn_scale: object,
    subcenters: int,
    sample_rate: object,
    normaliser: object,
    label_smoothing: float,
    group: object,
    ignore_index: object,
) -> None:
    """Raise TypeError or ValueError for arguments that no head can have; they are those of `Head`."""
    check_margin_kind(margin)
    for name, size in (("in_features", in_features), ("num_classes", num_classes), ("subcenters", subcenters)):
        check_count(name, size, 1)
    if in_features * num_classes * subcenters >= 2**63:
        raise ValueError(
            f"num_classes is {num_classes} with in_features {in_features}: the weight would have 2^63 numbers or more"
        )
    for name, switch in (("bias", bias), ("learn_scale", learn_scale)):
        if not isinstance(switch, bool):
            raise TypeError(f"{name} is {switch!r}, expected True or False")
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, Integral):
        raise TypeError(f"ignore_index is {ignore_index!r}, expected an integer such as -100, which no class has")
    if group is not None and not (dist.is_available() and isinstance(group, dist.ProcessGroup)):
        raise TypeError(f"group is {group!r}, expected a process group such as torch.distributed.group.WORLD, or None")
    if not isinstance(sample_rate, Real) or not 0 < float(sample_rate) <= 1:
        raise ValueError(f"sample_rate is {sample_rate}, expected a share of the classes in (0, 1]")
    if normaliser not in ("sampled", "all"):
        raise ValueError(f"normaliser is {normaliser!r}, expected 'sampled' or 'all'")
    check_fraction("label_smoothing", label_smoothing)
    if label_smoothing > 0 and float(sample_rate) < 1:
        raise ValueError(
            f"label_smoothing is {label_smoothing} and spreads over all classes, but sample_rate is {sample_rate} "
            f"and takes some: pass label_smoothing=0 or sample_rate=1"
        )
    if learn_scale and "scale" not in (field.name for field in fields(margin)):
        raise ValueError(f"learn_scale is True, but {type(margin).__name__} has no scale field: pass False")
    margin.check(num_classes)


def check_kept(margin: Margin, wanted: Iterable[str], kept: Collection[str]) -> None:
    """Raise ValueError for a margin whose running numbers, by name, a head does not keep."""
    missing = [name for name in wanted if name not in kept]
    if missing:
        raise ValueError(
            f"{type(margin).__name__} keeps a running {' and '.join(missing)}, for which this head was not "
            f"built: make a new Head with this margin"
        )


def write_running(margin: Margin, buffer: Tensor, value: Tensor) -> None:
    """Write a running number of a margin into its buffer, 0-dim both.

    Raises:
        RuntimeError: torch.func runs, which cannot let a forward change a buffer that is not among its inputs.
    """
    if not in_transform():
        buffer.copy_(value)
        return
    try:
        buffer.copy_(value)
    except RuntimeError as error:
        raise RuntimeError(
            f"{type(margin).__name__} updates its running numbers in a training forward, which torch.func does not "
            f"allow: call head.eval(), or make the buffers an argument of the function that is transformed, by "
            f"torch.func.functional_call(head, buffers, (features, labels)); under vmap one set of them per entry"
        ) from error


def check_fraction(name: str, value: object) -> None:
    """Raise ValueError unless `value` is in [0, 1)."""
    if not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise ValueError(f"{name} is {value!r}, expected a number in [0, 1)")


def check_weighting(label_smoothing: float, focal: float, class_weights: Tensor | None, num_classes: int) -> None:
    """Raise ValueError for impossible weightings of rows; class_weights are (num_classes,) or None."""
    check_fraction("label_smoothing", label_smoothing)
    check_not_negative("focal", focal)
    if class_weights is None:
        return
    check_tensor("class_weights", class_weights)
    if class_weights.shape != (num_classes,):
        raise ValueError(
            f"class_weights has shape {tuple(class_weights.shape)}, expected ({num_classes},), one per class"
        )
    if class_weights.is_meta:  # built on the meta device to be loaded later: there are no values
        return
    wrong = (~(class_weights >= 0) | class_weights.isinf()).nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(
            f"class_weights[{place}] is {class_weights[place].item()}, expected a finite number of at least 0"
        )
