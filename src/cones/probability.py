"""Softmax, softmax loss and cross entropy: three names, three things.

* softmax: logits to probabilities, S_j = exp(a_j) / sum_k exp(a_k);
* softmax loss: -log S_y, the cross entropy of the softmax with a label;
* cross entropy: E = -sum_j y_j log P_j of any two distributions. It equals the softmax loss when P is a softmax,
  for one label and for soft targets alike.

For a layer, a bias and many classes at once use `cones.Head`.
"""

import torch
from torch import Tensor

from .common.transforms import numbers_of

__all__ = ["cross_entropy", "softmax", "softmax_loss"]

SUM_TOLERANCE = 1e-3
"""How far from 1 a distribution may sum; 2-decimal probabilities written by hand pass."""


def softmax(logits: Tensor) -> Tensor:
    """S_j = exp(a_j) / sum_k exp(a_k) over the last dimension.

    Args:
        logits: (..., K), any size of number; the largest is subtracted first.

    Returns:
        (..., K) probabilities. In exact arithmetic they lie in (0, 1); floats reach 0 and 1.

    Example:
        >>> softmax(torch.tensor([1.0, 2.0, 3.0]))                 # 0.09, 0.24, 0.67 to two decimals
        tensor([0.0900, 0.2447, 0.6652])
    """
    return torch.softmax(logits, dim=-1)


def softmax_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """L = -log S_y = logsumexp_j a_j - a_y, never through a probability that rounds to 0.

    Args:
        logits: (..., K).
        labels: (...,) integers in 0..K-1.

    Returns:
        (...,) losses.

    Raises:
        ValueError: shapes do not fit or a label is outside 0..K-1.

    Example:
        The second of three classes, while the third has the largest logit:

        >>> softmax_loss(torch.tensor([1.0, 2.0, 3.0]), torch.tensor(1))
        tensor(1.4076)
    """
    _check_labels(labels, logits, "logits")
    own = logits.gather(-1, labels.long()[..., None]).squeeze(-1)
    return logits.logsumexp(dim=-1) - own


def cross_entropy(probabilities: Tensor, target: Tensor) -> Tensor:
    """E = -sum_j y_j log P_j of given distributions, with 0 log 0 = 0.

    Args:
        probabilities: P, (..., K), each row a distribution.
        target: y, either (..., K) distributions or (...,) integer labels in 0..K-1.

    Returns:
        (...,) cross entropies; infinite where y_j > 0 and P_j = 0.

    Raises:
        ValueError: shapes do not fit, a number is negative, a row does not sum to 1, a label is outside 0..K-1.

    Example:
        One true class of five, predicted well, wrongly, and badly wrongly:

        >>> p = torch.tensor([[.1, .15, .05, .6, .1], [.05, .15, .4, .3, .1], [.15, .2, .4, .1, .15]])
        >>> cross_entropy(p, torch.tensor([3, 3, 3]))
        tensor([0.5108, 1.2040, 2.3026])
    """
    _check_distribution("probabilities", probabilities)
    if not target.is_floating_point():
        _check_labels(target, probabilities, "probabilities")
        return -probabilities.gather(-1, target.long()[..., None]).squeeze(-1).log()
    _check_distribution("target", target)
    if target.shape != probabilities.shape:
        raise ValueError(
            f"target has shape {tuple(target.shape)} and probabilities {tuple(probabilities.shape)}: both must be "
            f"(..., K), or target integer labels of shape {tuple(probabilities.shape[:-1])}"
        )
    present = target > 0
    return -(target * torch.where(present, probabilities, 1).log()).sum(dim=-1)


def _check_distribution(name: str, rows: Tensor) -> None:
    if rows.dim() == 0 or rows.shape[-1] == 0:
        raise ValueError(f"{name} has shape {tuple(rows.shape)}, expected (..., K) with at least one class")
    rows = numbers_of(rows)
    if bool((rows < 0).any()):
        raise ValueError(f"{name} holds {float(rows.min())}, expected numbers of at least 0: apply softmax first")
    sums = rows.double().sum(dim=-1)
    if not bool(((sums - 1).abs() <= SUM_TOLERANCE).all()):
        worst = float(sums.flatten()[(sums - 1).abs().argmax()])
        raise ValueError(f"{name} has a row that sums to {worst:.4g}, expected 1: divide by the sum, or use softmax")


def _check_labels(labels: Tensor, rows: Tensor, name: str) -> None:
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels has dtype {labels.dtype}, expected integers: call labels.long()")
    if labels.shape != rows.shape[:-1]:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)}, expected {tuple(rows.shape[:-1])}, one for each row of {name}"
        )
    numbers = numbers_of(labels)
    if numbers.numel() and (int(numbers.min()) < 0 or int(numbers.max()) >= rows.shape[-1]):
        raise ValueError(
            f"labels run from {int(numbers.min())} to {int(numbers.max())}, but {name} has {rows.shape[-1]} classes "
            f"(0..{rows.shape[-1] - 1})"
        )
