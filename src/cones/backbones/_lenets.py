from typing import cast

from torch import Tensor, nn

from ._blocks import check_sizes, convolution, scaled


class LeNets(nn.Module):
    """LeNets++: the net whose two-dimensional features made the pictures of center loss.

    Three stages of two 5x5 convolutions with 32, 64 and 128 channels, each with PReLU and followed by max pooling,
    then one linear layer to D features.

    Args:
        feature_dim: D.
        channels: of the images.
        image_size: side of the square images in pixels, at least 12.
        width: factor on the number of channels; 1 is the paper's.

    Raises:
        ValueError: a size is out of its range.

    Reference: Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition",
    ECCV 2016, Table 1.

    Example:
        >>> import torch
        >>> LeNets(feature_dim=2, width=0.25)(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 2])
    """

    def __init__(self, feature_dim: int = 2, channels: int = 1, image_size: int = 28, width: float = 1.0) -> None:
        super().__init__()
        check_sizes(
            "LeNets", channels=channels, image_size=image_size, feature_dim=feature_dim, width=width, smallest=12
        )
        a, b, c = (scaled(count, width) for count in (32, 64, 128))
        self.stages = nn.Sequential(
            convolution(channels, a, 5),
            convolution(a, a, 5),
            nn.MaxPool2d(2),
            convolution(a, b, 5),
            convolution(b, b, 5),
            nn.MaxPool2d(2),
            convolution(b, c, 5),
            convolution(c, c, 5),
            nn.MaxPool2d(3, stride=2),
        )
        side = (image_size // 4 - 3) // 2 + 1
        self.features = nn.Linear(c * side * side, feature_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, C, H, W)."""
        return cast(Tensor, self.features(self.stages(images).flatten(1)))
