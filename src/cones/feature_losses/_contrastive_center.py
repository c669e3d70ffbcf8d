import torch
from torch import Tensor, nn

from ..common.checks import check_positive
from ..common.dtypes import working_dtype
from ..engine.checks import check_labels, check_vectors
from ..engine.reduction import reduce

LARGE = 1e15
"""Past it the sum of squares of a feature may overflow float32."""


class ContrastiveCenter(nn.Module):
    """Contrastive-center loss: near to the own center, in proportion to how far all other centers are.

        L_i = 1/2 |x_i - c_y|^2 / (sum_{j != y} |x_i - c_j|^2 + delta)

    The centers are learnt by the gradient of the loss, which also pushes them from the samples of other classes: give
    `parameters()` to the optimiser, without weight decay. They start at 0, as those of `CenterLoss` do. How the
    authors start and move theirs could not be verified.

    The sum over all centers is taken as K |x_i - mean c|^2 + sum_j |c_j - mean c|^2, so there is no N x K array.

    Args:
        num_classes: K.
        dim: D.
        delta: keeps the denominator above 0; above 0.

    Attributes:
        centers: (K, D) parameter, starts at 0.

    Raises:
        ValueError: an argument is out of its range.

    When to use: As `CenterLoss`, when the centers should also part: what counts is how near a row is to its own center
    in proportion to all others.

    Reference: Qi, Su, "Contrastive-center loss for deep neural networks", ICIP 2017, arXiv 1707.07391.

    Example:
        >>> loss = ContrastiveCenter(num_classes=2, dim=2)
        >>> _ = loss.centers.data.copy_(torch.eye(2))
        >>> loss(torch.tensor([[1.0, 2.0]]), torch.tensor([0])).item()          # 1/2 * 4 / (2 + 1)
        0.666...
    """

    def __init__(self, num_classes: int, dim: int, *, delta: float = 1.0) -> None:
        super().__init__()
        if num_classes < 1 or dim < 1:
            raise ValueError(f"ContrastiveCenter: num_classes is {num_classes} and dim {dim}, expected at least 1 each")
        check_positive("ContrastiveCenter: delta", delta)
        self.delta = delta
        self.centers = nn.Parameter(torch.zeros(num_classes, dim))

    def forward(self, features: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of features (N, D) and labels (N,) in 0..K-1: (N,), or reduced to 0-dim; float32 or float64.

        Raises:
            TypeError, ValueError: dtypes, shapes, labels or reduction are wrong.
        """
        num_classes, dim = self.centers.shape
        check_vectors("features", features)
        if features.shape[1] != dim:
            raise ValueError(
                f"features has shape {tuple(features.shape)}, expected (N, {dim}): ContrastiveCenter has dim={dim}"
            )
        check_labels(labels, len(features), num_classes)
        dtype = working_dtype(features, self.centers)
        x, centers = features.to(dtype), self.centers.to(dtype)
        # a ratio of squares: rows whose squares would overflow are measured in a unit of their own
        unit = x.detach().abs().amax(dim=1)
        unit = torch.where(unit > LARGE, unit, 1)
        mean = centers.mean(dim=0)
        own = ((x - centers[labels.long()]) / unit[:, None]).square().sum(dim=1)
        every = num_classes * ((x - mean) / unit[:, None]).square().sum(dim=1)
        every = every + (centers - mean).square().sum() / unit / unit
        # rounding makes the loss L wrong by some 1e-7 (1 + 2 L) L in float32: it matters only where L is absurd
        others = (every - own).clamp(min=0)
        return reduce(0.5 * own / (others + self.delta / unit / unit), reduction)

    def extra_repr(self) -> str:
        """Fields that `print` shows."""
        return f"num_classes={self.centers.shape[0]}, dim={self.centers.shape[1]}, delta={self.delta}"
