import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .._arrays import Array, as_tensor
from .._checks import scored_pairs_of_both_kinds


def cllr(llr: Array, same: Array) -> float:
    """Cost of log-likelihood ratios in bits; 0 is perfect, 1 that of a system that always answers 0.

        C_llr = 1/2 ( mean_same log2(1 + exp(-llr)) + mean_different log2(1 + exp(llr)) )

    Args:
        llr: (P,) natural logarithms of likelihood ratios; ±inf is allowed.
        same: (P,) bool.

    Returns:
        The cost; inf where an infinite ratio is wrong.

    Raises:
        ValueError: wrong shapes, nan, or pairs of one kind only.

    Reference: Brümmer, du Preez, "Application-independent evaluation of speaker detection", Computer Speech and
    Language 20, 2006.

    Example:
        >>> cllr(torch.zeros(3), torch.tensor([True, False, False]))
        1.0
    """
    llr, same = scored_pairs_of_both_kinds(llr, same, "llr")
    values = llr.detach().to(torch.float64)
    missed = -logsigmoid(values[same]).mean()
    alarmed = -logsigmoid(-values[~same]).mean()
    return (missed + alarmed).item() / (2 * math.log(2)) + 0.0  # no negative zero


def min_cllr(scores: Array, same: Array) -> float:
    """The smallest `cllr` of any rising map of the scores, the part that no calibration can remove.

    `cllr` minus this is the cost of the calibration.

    Args:
        scores: (P,) any numbers that are larger for pairs more alike.
        same: (P,) bool.

    Returns:
        The cost in bits, in 0..1.

    Raises:
        ValueError: wrong shapes, nan, or pairs of one kind only.

    Reference: Brümmer, du Preez, "Application-independent evaluation of speaker detection", Computer Speech and
    Language 20, 2006.

    Example:
        >>> min_cllr(torch.tensor([3.0, 1.0, 2.0, 0.0]), torch.tensor([True, False, True, False]))
        0.0
    """
    return cllr(pav_llr(scores, same), as_tensor("same", same))


def pav_llr(scores: Array, same: Array) -> Tensor:
    """The best log-likelihood ratios that rise with the scores; ±inf where the scores separate.

        llr = logit p - logit(P_same / P),   p the isotonic regression of `same` on the scores

    Equal scores have equal ratios.

    Args:
        scores: (P,) any numbers that are larger for pairs more alike.
        same: (P,) bool.

    Returns:
        (P,) float64, natural logarithms.

    Raises:
        ValueError: wrong shapes, nan, or pairs of one kind only.

    Reference: Brümmer, du Preez, "Application-independent evaluation of speaker detection", Computer Speech and
    Language 20, 2006.

    Example:
        >>> same = torch.tensor([False, True, False, True])
        >>> pav_llr(torch.tensor([0.0, 1.0, 2.0, 3.0]), same)
        tensor([-inf, 0., 0., inf], dtype=torch.float64)
    """
    scores, same = scored_pairs_of_both_kinds(scores, same)
    _, place, counts = scores.detach().unique(return_inverse=True, return_counts=True)
    hits = torch.zeros(len(counts), dtype=torch.float64, device=scores.device)
    hits.index_add_(0, place, same.to(torch.float64))
    share = pool_adjacent_violators(hits / counts, counts.to(torch.float64))
    number = int(same.sum())
    return (torch.logit(share) - math.log(number / (len(same) - number)))[place]


def pool_adjacent_violators(values: Array, weights: Array) -> Tensor:
    """Isotonic regression: the rising numbers closest to `values` in weighted squares.

        min sum_i w_i (f_i - y_i)^2  with  f_1 ≤ f_2 ≤ ...

    Neighbours that fall are pooled into their weighted mean until none falls.

    Args:
        values: (N,) in the order in which they must rise.
        weights: (N,) above 0.

    Returns:
        (N,) float64.

    Raises:
        ValueError: wrong shapes, or weights out of their range.

    Reference: Ayer, Brunk, Ewing, Reid, Silverman, "An Empirical Distribution Function for Sampling with Incomplete
    Information", Annals of Mathematical Statistics 26, 1955.

    Example:
        >>> pool_adjacent_violators(torch.tensor([1.0, 3.0, 2.0, 4.0]), torch.ones(4))
        tensor([1.0000, 2.5000, 2.5000, 4.0000], dtype=torch.float64)
    """
    values, weights = as_tensor("values", values), as_tensor("weights", weights)
    if values.ndim != 1 or values.shape != weights.shape:
        raise ValueError(
            f"values has shape {tuple(values.shape)} and weights {tuple(weights.shape)}, expected (N,) both"
        )
    wrong = (~(weights > 0) | weights.isinf()).nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(f"weights[{place}] is {weights[place].item()}, expected a finite number above 0")
    pools: list[tuple[float, float, int]] = []  # of each pool: sum of w y, sum of w, size
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        total, mass, size = value * weight, weight, 1
        while pools and pools[-1][0] * mass >= total * pools[-1][1]:  # the mean before is not smaller
            before = pools.pop()
            total, mass, size = before[0] + total, before[1] + mass, before[2] + size
        pools.append((total, mass, size))
    means = torch.tensor([total / mass for total, mass, _ in pools], dtype=torch.float64)
    sizes = torch.tensor([size for _, _, size in pools], dtype=torch.long)
    return means.repeat_interleave(sizes).to(values.device)
