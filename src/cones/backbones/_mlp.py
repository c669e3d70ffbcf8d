from typing import cast

from torch import Tensor, nn

from ._prelu import PReLU


class MLP(nn.Module):
    """Two linear layers with a PReLU between, for data that are vectors already.

    Args:
        in_features: of the data; images are flattened.
        feature_dim: D.
        hidden: width of the middle.

    Raises:
        ValueError: a size is below 1.

    Example:
        >>> import torch
        >>> MLP(in_features=5, feature_dim=2)(torch.zeros(3, 5)).shape
        torch.Size([3, 2])
    """

    def __init__(self, in_features: int, feature_dim: int = 2, hidden: int = 256) -> None:
        super().__init__()
        for name, value in (("in_features", in_features), ("feature_dim", feature_dim), ("hidden", hidden)):
            if value < 1:
                raise ValueError(f"MLP: {name} is {value}, expected at least 1")
        self.layers = nn.Sequential(nn.Linear(in_features, hidden), PReLU(hidden), nn.Linear(hidden, feature_dim))

    def forward(self, inputs: Tensor) -> Tensor:
        """Features (N, D) of inputs (N, ...)."""
        return cast(Tensor, self.layers(inputs.flatten(1)))
