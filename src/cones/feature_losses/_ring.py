import torch
from torch import Tensor, nn

from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction
from ..engine.checks import check_tensor
from ..engine.reduction import reduce


class RingLoss(nn.Module):
    """Ring loss: feature norms are pulled to one learnt radius.

        L_i = 1/2 (|x_i| - R)^2

    Args:
        radius: where R starts; None takes the mean norm of the first batch seen in training.

    Attributes:
        radius: R, a 0-dim parameter for the optimiser.
        started: a 0-dim bool buffer, whether R has its starting value.

    Raises:
        ValueError: radius is not above 0.

    When to use: Beside losses on raw features, when their norms should be alike without being normalised: the soft form
    of `L2Softmax`.

    Reference: Zheng, Pal, Savvides, "Ring loss: Convex Feature Normalization for Face Recognition", CVPR 2018,
    arXiv 1803.00130, eq. 2 (the formula is quoted from memory).

    Example:
        >>> RingLoss(radius=4.0)(torch.tensor([[3.0, 4.0]]))
        tensor(0.5000, grad_fn=<DivBackward0>)
    """

    started: Tensor

    def __init__(self, radius: float | None = None) -> None:
        super().__init__()
        if radius is not None and not radius > 0:
            raise ValueError(f"RingLoss: radius is {radius!r}, expected a number above 0, or None")
        self.radius = nn.Parameter(torch.tensor(1.0 if radius is None else float(radius)))
        self.register_buffer("started", torch.tensor(radius is not None))

    def forward(self, features: Tensor, reduction: str = "mean") -> Tensor:
        """1/2 (|x_i| - R)^2 of features (N, D): (N,), or reduced to 0-dim.

        Raises:
            ValueError: shape or reduction is wrong.
        """
        check_tensor("features", features)
        if features.dim() != 2:
            raise ValueError(f"features has shape {tuple(features.shape)}, expected (N, D)")
        _, norm = direction(features.to(working_dtype(features)))
        if self.training and len(norm) and not bool(self.started):
            with torch.no_grad():
                self.radius.copy_(norm.mean())
                self.started.fill_(True)
        return reduce(0.5 * (norm - self.radius).square(), reduction)
