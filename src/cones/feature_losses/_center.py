from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..common.buffers import restore_precision
from ..common.watching import UpdateWatch
from ..engine.checks import check_labels, check_tensor
from ..engine.reduction import reduce


class CenterLoss(nn.Module):
    """Center loss: every feature is pulled to a running center of its class.

        L_C = 1/2 |x_i - c_{y_i}|^2,   dL_C / dx_i = x_i - c_{y_i}                        (eqs. 2, 3)
        Delta c_j = sum_{y_i = j} (c_j - x_i) / (1 + n_j),   c_j <- c_j - alpha Delta c_j  (eq. 4)

    The centers are a buffer: no optimiser, weight decay or loss weight touches them. Call `update` after the
    backward; a class absent from the batch stays where it is.

    Args:
        num_classes: K.
        dim: D.
        alpha: the centers' own learning rate, in [0, 1].

    Attributes:
        centers: (K, D) buffer, starts at 0.

    Raises:
        ValueError: an argument is out of its range.

    When to use: Beside `Softmax`, when the features of a class should gather: weights of 0.003 to 0.1. Alone it draws
    everything into one point.

    Reference: Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition",
    ECCV 2016, eqs. 2-5 and Algorithm 1.

    Example:
        >>> loss = CenterLoss(num_classes=2, dim=2)
        >>> x, y = torch.tensor([[2.0, 0.0]]), torch.tensor([1])
        >>> loss(x, y)
        tensor(2.)
        >>> loss.update(x, y)               # one sample: half of alpha of the way
        >>> loss.centers[1]
        tensor([0.5000, 0.0000])
    """

    centers: Tensor

    def __init__(self, num_classes: int, dim: int, *, alpha: float = 0.5) -> None:
        super().__init__()
        if num_classes < 1 or dim < 1:
            raise ValueError(f"CenterLoss: num_classes is {num_classes} and dim {dim}, expected at least 1 each")
        if not 0 <= alpha <= 1:
            raise ValueError(f"CenterLoss: alpha is {alpha}, expected a number in [0, 1]")
        self.alpha = alpha
        # float32 at least, also under a half-precision default
        dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
        self.register_buffer("centers", torch.zeros(num_classes, dim, dtype=dtype))
        self._watch = UpdateWatch("CenterLoss", "the centers are all 0 and pull every feature to the origin")

    def forward(self, features: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """1/2 |x_i - c_{y_i}|^2 of features (N, D) and labels (N,): (N,), or reduced to 0-dim.

        Raises:
            TypeError, ValueError: shapes, labels or reduction are wrong.
        """
        self._check(features, labels)
        if self.training and self.alpha > 0:
            self._watch.look(features, self.centers)
        # in the centers' precision at least: half-precision squares overflow past 256
        offset = features.to(torch.promote_types(features.dtype, self.centers.dtype)) - self.centers[labels.long()]
        return reduce(0.5 * (offset * offset).sum(dim=1), reduction)

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> None:
        """Move the centers by eq. 4, from features (N, D) and labels (N,) of the batch just back-propagated."""
        self._check(features, labels)
        self._watch.updated()
        labels = labels.long()
        offset = self.centers[labels] - features.to(self.centers.dtype)
        total = torch.zeros_like(self.centers).index_add_(0, labels, offset)
        count = torch.bincount(labels, minlength=len(self.centers)).to(total.dtype)
        self.centers -= self.alpha * total / (1 + count)[:, None]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "CenterLoss":
        """Move and cast; the centers stay float32 at least: in half precision an average of small steps stops."""
        before = {"centers": self.centers}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        restore_precision(self, before, may_widen=True)
        return self

    def extra_repr(self) -> str:
        """Fields that `print` shows."""
        return f"num_classes={self.centers.shape[0]}, dim={self.centers.shape[1]}, alpha={self.alpha}"

    def _check(self, features: Tensor, labels: Tensor) -> None:
        num_classes, dim = self.centers.shape
        check_tensor("features", features)
        if features.dim() != 2 or features.shape[1] != dim:
            raise ValueError(
                f"features has shape {tuple(features.shape)}, expected (N, {dim}): CenterLoss has dim={dim}"
            )
        check_labels(labels, len(features), num_classes)
