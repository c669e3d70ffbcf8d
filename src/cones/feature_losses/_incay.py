from dataclasses import dataclass

import torch
from torch import Tensor

from ..common.dtypes import working_dtype
from ..engine.checks import check_tensor
from ..engine.reduction import reduce


@dataclass(frozen=True)
class FeatureIncay:
    """Feature Incay, the reciprocal norm loss: rightly classified features are made longer.

        L_i = h(i) / (|f_i|^2 + eps),   h(i) = 1 if sample i is classified rightly, else 0

    Small norms grow fastest (the force falls as |f|^-3). The mean is over all N samples, right or wrong. At the
    origin the value is h / eps and the gradient 0. No official code or table was found to check eps against.

    Args:
        epsilon: eps, above 0.

    Raises:
        ValueError: epsilon is not above 0.

    When to use: Beside losses on raw features (`Softmax`, `LSoftmax`, `ASoftmax`), when features of images that are
    right should be longer. A head on normalised features does not see what it does.

    Reference: Yuan, Yang, Zhang, "Feature Incay for Representation Regularization", arXiv 1705.10284.

    Example:
        >>> FeatureIncay()(torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([True, False]))
        tensor(0.0200)
    """

    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        if not self.epsilon > 0:
            raise ValueError(f"FeatureIncay: epsilon is {self.epsilon!r}, expected a number above 0")

    def __call__(self, features: Tensor, correct: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of features (N, D), where correct (N,) bool says which were classified rightly.

        Returns:
            (N,), or reduced to 0-dim; float32 or float64.

        Raises:
            TypeError, ValueError: shapes, dtype of correct, or reduction are wrong.
        """
        check_tensor("features", features)
        if features.dim() != 2:
            raise ValueError(f"features has shape {tuple(features.shape)}, expected (N, D)")
        if correct.dtype != torch.bool:
            raise TypeError(f"correct has dtype {correct.dtype}, expected torch.bool: logits.argmax(1) == labels")
        if correct.shape != features.shape[:1]:
            raise ValueError(f"correct has shape {tuple(correct.shape)}, expected ({len(features)},), one per feature")
        x = features.to(working_dtype(features))
        return reduce(correct / ((x * x).sum(dim=1) + self.epsilon), reduction)
