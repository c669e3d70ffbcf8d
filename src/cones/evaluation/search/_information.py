"""Mutual information of two partitions of the same rows."""

import torch
from torch import Tensor

from .._arrays import Array, as_labels

# n_i and m_j rows in the parts of either side, n_ij in both, N in all. Logarithms are natural.


def normalized_mutual_information(a: Array, b: Array) -> float:
    """NMI, 1 for equal partitions; grows with the number of clusters even by chance.

        NMI = I(A, B) / ((H(A) + H(B)) / 2)

    Args:
        a: (N,) integers or text, the part of each row.
        b: (N,) integers or text.

    Returns:
        The score in 0..1; 1 where both have one part only (or there is no row).

    Raises:
        ValueError: unequal lengths, or labels that are not integers.

    Reference: N. X. Vinh, J. Epps, J. Bailey, "Information Theoretic Measures for Clusterings Comparison: Variants,
        Properties, Normalization and Correction for Chance", JMLR 11, 2010 (NMI_sum).

    Example:
        >>> normalized_mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 3, 3]))
        1.0
    """
    n, m, joint = _counts(a, b)
    mean = (_entropy(n) + _entropy(m)) / 2
    return 1.0 if _same(n, m, joint) else min(1.0, _mutual_information(n, m, joint) / mean)


def adjusted_mutual_information(a: Array, b: Array) -> float:
    """AMI: 1 for equal partitions, 0 on average by chance.

        AMI = (I - E[I]) / ((H(A) + H(B)) / 2 - E[I])

    E[I] is exact: over all ways to deal the rows with the sizes of the parts kept (hypergeometric).

    Args:
        a: (N,) integers or text, the part of each row.
        b: (N,) integers or text.

    Returns:
        The score, at most 1, below 0 where it is worse than chance; 1 where both have one part only.

    Raises:
        ValueError: unequal lengths, or labels that are not integers.

    Reference: N. X. Vinh, J. Epps, J. Bailey, "Information Theoretic Measures for Clusterings Comparison: Variants,
        Properties, Normalization and Correction for Chance", JMLR 11, 2010 (AMI_sum).

    Example:
        >>> round(adjusted_mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])), 6)
        -0.5
    """
    n, m, joint = _counts(a, b)
    if _same(n, m, joint):
        return 1.0
    if min(len(n), len(m)) == 1 or max(len(n), len(m)) == int(n.sum()):
        return 0.0  # one part, or one row a part: chance always gives I itself
    expected = _expected_mutual_information(n, m)
    mean = (_entropy(n) + _entropy(m)) / 2
    return (_mutual_information(n, m, joint) - expected) / (mean - expected)


def _counts(a: Array, b: Array) -> tuple[Tensor, Tensor, Tensor]:
    """Sizes of the parts that occur, (A,) and (B,), and the cells that are not empty as rows i, j, n_ij, (3, C)."""
    a, b = as_labels("a", a)[0], as_labels("b", b)[0]
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}, expected (N,) both")
    for name, labels in (("a", a), ("b", b)):
        if labels.is_floating_point():
            raise ValueError(f"{name} has dtype {labels.dtype}, expected integers: convert with {name}.long()")
    _, i, n = a.cpu().unique(return_inverse=True, return_counts=True)
    _, j, m = b.cpu().unique(return_inverse=True, return_counts=True)
    cell, count = (i * len(m) + j).unique(return_counts=True)
    return n, m, torch.stack([cell // max(1, len(m)), cell % max(1, len(m)), count])


def _same(n: Tensor, m: Tensor, joint: Tensor) -> bool:
    """True where each part of one side is a part of the other."""
    return len(n) == len(m) == joint.shape[1]


def _entropy(n: Tensor) -> float:
    p = n.double() / n.sum()
    return -(p * p.log()).sum().item()


def _mutual_information(n: Tensor, m: Tensor, joint: Tensor) -> float:
    i, j, _ = joint
    n, m, c = n.double(), m.double(), joint[2].double()
    total = n.sum()
    value: float = (c / total * (c.log() + total.log() - n[i].log() - m[j].log())).sum().item()
    return max(0.0, value)


def _expected_mutual_information(n: Tensor, m: Tensor) -> float:
    """Σ_ij Σ_c P(n_ij = c) c/N log(N c / n_i m_j), P hypergeometric; equal sizes are computed once."""
    total = int(n.sum())
    log_factorial = torch.lgamma(torch.arange(total + 1, dtype=torch.float64) + 1)
    (n, n_times), (m, m_times) = n.unique(return_counts=True), m.unique(return_counts=True)
    expected = 0.0
    for size, times in zip(n.tolist(), n_times.tolist(), strict=True):
        # pairs of a size m and a count c, laid out one after another: c from max(1, n + m - N) to min(n, m)
        low, high = (size + m - total).clamp_min(1), m.clamp_max(size)
        lengths = high - low + 1
        which = torch.repeat_interleave(torch.arange(len(m)), lengths)
        c = torch.arange(len(which)) - (lengths.cumsum(0) - lengths)[which] + low[which]
        other = m[which]
        log_p = (
            log_factorial[size] + log_factorial[other] + log_factorial[total - size] + log_factorial[total - other]
            - log_factorial[total] - log_factorial[c] - log_factorial[size - c] - log_factorial[other - c]
            - log_factorial[total - size - other + c]
        )  # fmt: skip
        information = c.double() / total * ((c.double() * total).log() - (other.double() * size).log())
        expected += times * (m_times[which] * log_p.exp() * information).sum().item()
    return expected
