"""Scores between rows, larger for nearer rows, the same to the last bit for every block size and device."""

# Q queries, M rows of the gallery, D dims. Coordinates are rounded to multiples of 2⁻²⁶ (of unit vectors) or 2⁻²⁵ (of
# vectors no longer than 1). Products and their sums are then whole multiples of 2⁻⁵² or 2⁻⁵⁰ that float64 holds
# exactly, so that no order of summation, block size, thread or device changes a score, and equal rows tie exactly.

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..common.unit_vectors import direction
from ._checks import check_floats

BLOCK = 2**21
Similarity = Literal["cosine", "euclidean"]
"""Cosine, or minus the Euclidean distance: larger is more alike."""
SIMILARITIES: tuple[Similarity, ...] = ("cosine", "euclidean")


@dataclass(frozen=True)
class Score:
    """Cosine, or minus the Euclidean distance in the unit of the features.

    Args:
        similarity: "cosine" or "euclidean".
        length: a power of two above the norm of every row; 1 for cosine.
    """

    similarity: Similarity
    length: float = 1.0

    def vectors(self, features: Tensor) -> Tensor:
        """Rows (N, D) as float64 on the grid: unit vectors (0 for a zero row), or rows over `length`."""
        # contiguous, so that the norm of a row is summed in one order
        x = features.detach().to(torch.float64).contiguous()
        if self.similarity == "euclidean":
            return (x / self.length * 2**25).round() / 2**25
        return (direction(x)[0] * 2**26).round() / 2**26

    def scores(self, queries: Tensor, gallery: Tensor) -> Tensor:
        """Scores (Q, M) of rows from `vectors`: cosines, or minus squared distances, which are exact too."""
        products = queries @ gallery.T
        if self.similarity == "cosine":
            return products.clamp_(-1, 1)
        return products.mul_(2).sub_(queries.square().sum(1)[:, None]).sub_(gallery.square().sum(1))

    def paired(self, first: Tensor, second: Tensor) -> Tensor:
        """Scores (P,) of rows (P, D) and (P, D), pair by pair: those of `scores` to the last bit."""
        products = (first * second).sum(1)
        if self.similarity == "cosine":
            return products.clamp_(-1, 1)
        return products.mul_(2).sub_(first.square().sum(1)).sub_(second.square().sum(1))

    def unfold(self, scores: Tensor) -> Tensor:
        """Cosines as they are, or minus distances in the unit of the features."""
        return scores if self.similarity == "cosine" else scores.sign() * scores.abs().sqrt() * self.length


def score_named(similarity: Similarity, *features: Tensor) -> Score:
    """The score named `similarity` for all rows of `features`.

    Raises:
        ValueError: another similarity.
    """
    check_similarity(similarity)
    if similarity == "cosine":
        return Score(similarity)
    longest = max((_norms(x).max().item() for x in features if x.numel()), default=0.0)
    return Score(similarity, 2.0 ** math.frexp(longest)[1])


def check_similarity(similarity: str) -> None:
    """Raise ValueError unless `similarity` is one of `SIMILARITIES`."""
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity is {similarity!r}, expected one of {', '.join(SIMILARITIES)}")


def block_sides(gallery: Tensor, block: int, width: int = 1) -> tuple[int, int]:
    """Rows of queries and of the gallery per block, of about `block` numbers.

    Args:
        gallery: (M, D).
        block: numbers held at once.
        width: numbers kept for each query beside its scores.
    """
    if block < 1:
        raise ValueError(f"block is {block}, expected how many numbers to hold at once, 1 or more")
    dims = max(1, gallery.shape[1])
    columns = max(1, min(math.isqrt(block), block // dims, len(gallery)))
    return max(1, block // max(columns, width, dims)), columns


def slices(count: int, step: int) -> Iterator[slice]:
    """0..count-1 in pieces of `step`."""
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def check_features(name: str, features: Tensor, beside: Tensor | None = None) -> None:
    """Raise unless `features` is (N, D), floating and finite, with the dims and on the device of `beside`."""
    check_floats(name, features)
    if beside is not None and features.shape[1] != beside.shape[1]:
        raise ValueError(
            f"{name} has {features.shape[1]} dims, expected {beside.shape[1]}: both must come from one network"
        )
    if beside is not None and features.device != beside.device:
        raise ValueError(
            f"{name} is on {features.device}, expected {beside.device} like the other side: move one of them"
        )
    if features.numel():
        bad = (~_norms(features).isfinite()).nonzero()
        if len(bad):
            raise ValueError(
                f"{name}[{int(bad[0])}] is not finite (or too long for float64): drop it, or fix the network"
            )


def zero_rows(features: Tensor, similarity: Similarity) -> int:
    """The number of zero rows, whose cosine is 0 with everything; 0 for another similarity."""
    if similarity != "cosine":
        return 0
    return sum(int((~features[s].bool().any(dim=1)).sum()) for s in slices(len(features), 2**16))


def _norms(features: Tensor) -> Tensor:
    step = max(1, BLOCK // max(1, features.shape[1]))
    return torch.cat([features[s].detach().to(torch.float64).norm(dim=1) for s in slices(len(features), step)])


def between(accepted: float, rejected: float) -> float:
    """A threshold halfway between two neighbouring scores, so that rounding moves neither across.

    It is a float32 number where one lies above `rejected` and not above `accepted`: then float32 and float64 scores
    are decided alike.

    Args:
        accepted: the lowest score that is accepted.
        rejected: the highest that is not, below accepted.
    """
    if math.isinf(accepted) or math.isinf(rejected):
        return accepted
    middle = rejected + (accepted - rejected) / 2
    nearest = torch.tensor(middle, dtype=torch.float64).float()
    for short in (nearest.item(), nearest.nextafter(torch.tensor(math.inf)).item()):  # it may round down to `rejected`
        if rejected < short <= accepted:
            return short
    return max(middle, math.nextafter(rejected, math.inf))
