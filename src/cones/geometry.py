"""Directions and lengths of vectors, right at every magnitude and exactly 0 at the origin."""

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
    # The largest entry is a constant for the gradient: x / |x| does not depend on it, and |x| is linear in it.
    largest = vectors.detach().abs().amax(dim=1, keepdim=True)
    zero = largest == 0
    scaled = vectors / torch.where(zero, 1, largest)
    squared = (scaled * scaled).sum(dim=1, keepdim=True)
    length = torch.where(zero, 1, squared).sqrt()
    unit = torch.where(zero, 0, scaled / length)
    return unit, (torch.where(zero, 0, length) * largest).squeeze(1)
