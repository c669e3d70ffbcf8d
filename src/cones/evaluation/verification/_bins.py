"""Bins of float32 numbers by their first bits: half a thousand to the octave, from -inf to inf."""

# The bits of a float, read as an integer, rise with the number where it is positive and fall where it is negative. So
# the bins of a table "by bits" lie in the order of the numbers once its first half, the negative ones, is turned round.

import torch
from torch import Tensor

SHIFT = 14
HALF = 2 ** (31 - SHIFT)
BINS = 2 * HALF
GENUINE = BINS
"""Added to the bin of a genuine pair."""
NO_PAIR = 2 * BINS
"""In place of a bin where a tile holds no pair, or one that another tile counts."""


def by_bits(scores: Tensor) -> Tensor:
    """The bin of each score, by bits, after rounding to float32, which keeps the order; int32."""
    rounded = scores.float().add(0.0)  # -0.0 becomes 0.0
    return (rounded.view(torch.int32) >> SHIFT).add_(HALF)


def turned(table: Tensor) -> Tensor:
    """A table (..., BINS) by bits in the order of the numbers, or the other way round."""
    return torch.cat([table[..., :HALF].flip(-1), table[..., HALF:]], dim=-1)


def lowest(bins: Tensor) -> Tensor:
    """The lowest float64 number of each bin, numbered in the order of the numbers; float64."""
    positive = bins.long() - HALF
    negative = -1 - positive  # of two negative numbers the one with the larger bit pattern is lower
    bits = torch.where(positive >= 0, positive << SHIFT, (((negative + 1) << SHIFT) - 1) | -(2**31))
    first = bits.to(torch.int32).view(torch.float32)
    # a number less than half a step below it is rounded up to it; the one halfway goes to the even number
    half = (first.double() + first.nextafter(first.new_tensor(-torch.inf)).double()) / 2
    above = torch.where(half.float() < first, half.nextafter(half.new_tensor(torch.inf)), half)
    return torch.where(half.isfinite(), above, first.double())
