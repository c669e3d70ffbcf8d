"""What every loss asks of its labels and its reduction."""

import torch
from torch import Tensor


def check_labels(labels: Tensor, num_rows: int, num_classes: int) -> None:
    """Raise TypeError or ValueError unless `labels` is (num_rows,) of integers in 0..num_classes-1."""
    if labels.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        raise TypeError(f"labels has dtype {labels.dtype}, expected integers: call labels.long()")
    if labels.shape != (num_rows,):
        fix = ": call labels.squeeze(1)" if labels.shape == (num_rows, 1) else ""
        raise ValueError(f"labels has shape {tuple(labels.shape)}, expected ({num_rows},), one a row of features{fix}")
    if not torch.compiler.is_compiling():  # a graph cannot branch on numbers; the engine's operator looks again
        check_range(labels, num_classes)


def check_range(labels: Tensor, num_classes: int) -> None:
    """Raise ValueError unless labels (N,) are in 0..num_classes-1."""
    if len(labels) == 0:
        return
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or high >= num_classes:
        row = int(((labels < 0) | (labels >= num_classes)).nonzero()[0])
        raise ValueError(
            f"labels[{row}] is {int(labels[row])}, but the head has {num_classes} classes (0..{num_classes - 1}): "
            f"number the classes from 0, or build the head with more"
        )


def reduce(losses: Tensor, reduction: str) -> Tensor:
    """losses (N,) as they are ("none"), their "sum", or their "mean", which is 0 for no rows."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.sum() / max(len(losses), 1)
    raise ValueError(f"reduction is {reduction!r}, expected 'none', 'mean' or 'sum'")
