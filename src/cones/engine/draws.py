"""Random draws of a step that do not depend on the number of ranks: each is a function of a seed and of a number.

One seed a step, and from it a draw for each row by its number in the whole batch, or for each class by its number among
all. Rank 0's seed is used by all ranks, so that nothing else has to be exchanged.

M rows of all ranks.
"""

import math

import torch
from torch import Tensor

from ..common.dtypes import vector_dtype
from ..margins import Margin, Rows

ROWS, CLASSES = 0, 1
"""Streams of draws from one seed."""

BLOCK = 2**20
"""Classes whose draws are made at once."""

GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""SplitMix64's increment and factors, as signed numbers."""

PRECISION = 53
"""Bits of a uniform draw."""


def draw_seed() -> Tensor:
    """Draw the seed of a step, 0-dim int64, from PyTorch's default generator."""
    return torch.randint(2**63 - 1, (), device="cpu")


def random_bits(seed: Tensor, numbers: Tensor, stream: int) -> Tensor:
    """64 random bits for each of `numbers` (n,) of a stream, int64.

    Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64).
    """
    start = _mixed(seed.to(numbers.device) + stream * GOLDEN)
    return _mixed(start + (numbers + 1) * GOLDEN)


def _mixed(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * FIRST
    bits = (bits ^ _shifted(bits, 27)) * SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """bits >> by, with zeros coming in: PyTorch's shift repeats the sign."""
    shifted: Tensor = (bits >> by) & (2 ** (64 - by) - 1)
    return shifted


def normal_draws(seed: Tensor, rows: slice, like: Tensor) -> Tensor:
    """Standard normal numbers (n,) float32, of the rows with these numbers in the whole batch, on the device of `like`.

    Source: Box and Muller 1958, from two uniform draws a row.
    """
    wide = vector_dtype(like)
    numbers = 2 * torch.arange(rows.start, rows.stop, device=like.device)
    bits = PRECISION if wide == torch.float64 else 24
    one, other = (
        (_shifted(random_bits(seed, numbers + which, ROWS), 64 - bits).to(wide) + 0.5) / 2**bits for which in (0, 1)
    )
    normal: Tensor = (-2 * one.log()).sqrt() * (2 * math.pi * other).cos()
    return normal.float()


def chosen(seed: Tensor, classes: slice, rate: float, device: torch.device) -> Tensor:
    """(n,) bool, True for each of the classes with these numbers among all with chance `rate`."""
    threshold = round(rate * 2**PRECISION)
    blocks = [
        _shifted(
            random_bits(seed, torch.arange(first, min(first + BLOCK, classes.stop), device=device), CLASSES),
            64 - PRECISION,
        )
        < threshold
        for first in range(classes.start, classes.stop, BLOCK)
    ]
    return torch.cat(blocks)


def with_noise(rows: Rows, margin: Margin, seed: Tensor | None) -> Rows:
    """Give each row its random number, where the margin draws; the rows are the whole batch."""
    if not margin.draws:
        return rows
    assert seed is not None
    noise = normal_draws(seed, slice(0, len(rows.label)), rows.similarity)
    return rows._replace(noise=margin.deal(noise, rows.similarity.detach()) if margin.deals else noise)
