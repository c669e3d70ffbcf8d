"""Directions and lengths of vectors, right at every magnitude and exactly 0 at the origin."""

from typing import Any

import torch
from torch import Tensor


def direction(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """x / |x| and |x| of each row.

    A zero vector has direction 0, norm 0 and gradient exactly 0: no epsilon stands under a root. Rows are scaled
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
        norm = norm[:, None]
        d_vectors: Tensor | None = None
        if d_unit is not None:
            across = d_unit - (d_unit * unit).sum(dim=1, keepdim=True) * unit
            # a zero vector divided by infinity has gradient 0, and so have its own derivatives
            d_vectors = across / torch.where(norm == 0, torch.inf, norm)
        if d_norm is not None:
            along = d_norm[:, None] * unit
            d_vectors = along if d_vectors is None else d_vectors + along
        return d_vectors
