from typing import cast

from torch import Tensor, nn

from ._blocks import check_sizes, convolution, scaled


class LSoftmaxNet(nn.Module):
    """The small MNIST net of L-Softmax: ten 3x3 convolutions of 64 channels with batch norm and PReLU.

    One convolution, then three stages of three, each followed by max pooling, then one linear layer with batch
    norm to D features.

    Args:
        feature_dim: D; 256 in the paper.
        channels: of the images.
        image_size: side of the square images in pixels, at least 8.
        width: factor on the number of channels; 1 is the paper's.

    Raises:
        ValueError: a size is out of its range.

    Reference: Liu, Wen, Yu, Yang, "Large-Margin Softmax Loss for Convolutional Neural Networks", ICML 2016,
    Table 1 (quoted from memory; the authors' example has 512 features).

    Example:
        >>> import torch
        >>> LSoftmaxNet(feature_dim=8, width=0.125)(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 8])
    """

    def __init__(self, feature_dim: int = 256, channels: int = 1, image_size: int = 28, width: float = 1.0) -> None:
        super().__init__()
        check_sizes(
            "LSoftmaxNet", channels=channels, image_size=image_size, feature_dim=feature_dim, width=width, smallest=8
        )
        count = scaled(64, width)
        stages: list[nn.Module] = [convolution(channels, count, 3, norm=True)]
        for _ in range(3):
            stages += [convolution(count, count, 3, norm=True) for _ in range(3)]
            stages.append(nn.MaxPool2d(2))
        self.stages = nn.Sequential(*stages)
        side = image_size // 8
        self.features = nn.Sequential(nn.Linear(count * side * side, feature_dim), nn.BatchNorm1d(feature_dim))

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, C, H, W)."""
        return cast(Tensor, self.features(self.stages(images).flatten(1)))
