import torch
from torch import Tensor, nn

from ..common.unit_vectors import direction
from ..engine.reduction import reduce
from ._own_class import unit_and_own

LONGEST = 0.05
"""Largest norm of xi that counts."""


class DiscFace(nn.Module):
    """DiscFace: all features are displaced from their class direction in the same way.

        L_i = | x_i - w_y - xi |,   x_i and w_y of unit length, one xi for all classes

    It is the norm, not its square; where it is 0 its gradient is 0. A xi longer than 0.05 counts as if cut to that
    length, and its gradient only turns it. That bound, and the start at 0, could not be verified in the paper.

    Args:
        dim: D.

    Attributes:
        xi: (D,) parameter for the optimiser, starts at 0.

    Raises:
        ValueError: dim is below 1.

    When to use: Features that will be compared with each other but are only trained against class directions: all are
    held to one common, small displacement from theirs.

    Reference: Kim et al., "DiscFace: Minimum Discrepancy Learning for Deep Face Recognition", ACCV 2020, eqs. 2 and 3.

    Example:
        >>> loss = DiscFace(2)
        >>> loss(torch.tensor([[0.0, 2.0]]), torch.eye(2), torch.tensor([0])).item()        # |(-1, 1)|
        1.414...
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"DiscFace: dim is {dim}, expected at least 1")
        self.xi = nn.Parameter(torch.zeros(dim))

    def forward(self, features: Tensor, weight: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of the rows.

        Args:
            features: (N, D), any floating dtype.
            weight: (K, D), rows are classes.
            labels: (N,) integers in 0..K-1.
            reduction: "none", "mean" or "sum".

        Returns:
            (N,), or reduced to 0-dim; float32 or float64.

        Raises:
            TypeError, ValueError: dtypes, shapes, labels or reduction are wrong.
        """
        x, own, _ = unit_and_own(features, weight, labels, self.xi)
        if features.shape[1] != len(self.xi):
            raise ValueError(
                f"features has shape {tuple(features.shape)}, expected (N, {len(self.xi)}): "
                f"DiscFace has dim={len(self.xi)}"
            )
        xi = self.xi.to(x.dtype)
        _, norm = direction(xi[None])
        bounded = xi / (norm / LONGEST).clamp(min=1)
        _, distance = direction(x - own - bounded)
        return reduce(distance, reduction)

    def extra_repr(self) -> str:
        """Fields that `print` shows."""
        return f"dim={len(self.xi)}"
