"""Directions and lengths of vectors, right at every magnitude and exactly 0 at the origin."""

import math
from typing import Any, cast

import torch
from torch import Tensor


def direction(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """x / |x| and |x| of each row.

    A zero vector has direction 0, norm 0 and gradient exactly 0: there is no epsilon under a root. Rows are scaled
    by their largest entry first, so squares neither overflow nor vanish.

    Args:
        vectors: (N, D), float32 or float64.

    Returns:
        (N, D) unit rows and (N,) norms.

    Example:
        >>> unit, norm = direction(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        >>> norm
        tensor([5., 0.])
        >>> unit
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    unit, norm = _Direction.apply(vectors)  # type: ignore[no-untyped-call]
    return unit, norm


def widened(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x in a dtype at least as wide, whose gradient comes back as `within` has it.

    For what has several gradients that are added up: of two that overflow, the sum could be inf - inf.
    """
    return x if x.dtype == dtype else cast(Tensor, _Widened.apply(x, dtype))  # type: ignore[no-untyped-call]


def within(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x in another dtype, where what would overflow is the largest number of its sign; NaN stays NaN."""
    largest = torch.finfo(dtype).max
    return (x.clamp(-largest, largest) if largest < torch.finfo(x.dtype).max else x).to(dtype)


def row_angles(a: Tensor, b: Tensor) -> Tensor:
    """Angles (N,) of rows (N, D) that are unit or zero; unlike arccos this keeps its digits near 0 and pi."""
    nonzero = a.ne(0).any(dim=1) & b.ne(0).any(dim=1)
    angle = 2 * torch.atan2((a - b).norm(dim=1), (a + b).norm(dim=1))
    return torch.where(nonzero, angle, math.pi / 2)


class _Widened(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.to(dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, torch.dtype], output: Tensor) -> None:
        ctx.narrow = inputs[0].dtype

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return within(grads[0], ctx.narrow), None


def through_direction(d_unit: Tensor, unit: Tensor, norm: Tensor) -> Tensor:
    """The gradient (N, D) of vectors from that of their directions; 0 for a zero vector.

    Where the division overflows it holds the largest number: a vector may have several such gradients, and their sum
    could be inf - inf.
    """
    across = d_unit - (d_unit * unit).sum(dim=1, keepdim=True) * unit
    largest = torch.finfo(norm.dtype).max
    # a zero vector divided by infinity has gradient 0, and so have its own derivatives
    return (across / torch.where(norm == 0, torch.inf, norm)[:, None]).clamp(-largest, largest)


class _Direction(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(vectors: Tensor) -> tuple[Tensor, Tensor]:
        largest = vectors.abs().amax(dim=1, keepdim=True)
        scaled = vectors / torch.where(largest == 0, 1, largest)
        length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
        unit = scaled / torch.where(length == 0, 1, length)
        return unit, (length * largest).squeeze(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Tensor | None:
        """d x = (d u - (d u . u) u) / |x| + d |x| u; a zero vector, whose direction is 0, gets 0."""
        d_unit, d_norm = grads
        unit, norm = ctx.saved_tensors
        d_vectors: Tensor | None = None
        if d_unit is not None:
            d_vectors = through_direction(d_unit, unit, norm)
        if d_norm is not None:
            along = d_norm[:, None] * unit
            d_vectors = along if d_vectors is None else d_vectors + along
        return d_vectors
