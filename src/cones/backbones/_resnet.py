from typing import cast

from torch import Tensor, nn

from ._blocks import check_sizes, convolution, scaled
from ._prelu import PReLU


class ResNet(nn.Module):
    """A compact residual net for grey or colour images of 32 to 112 pixels.

    A 3x3 stem (stride 2 from 64 pixels on), four stages of residual blocks with 64, 128, 256 and 512 channels, of
    which the last three halve the image, average pooling and one linear layer with batch norm to D features.

    Args:
        feature_dim: D.
        channels: of the images.
        image_size: side of the square images in pixels, at least 16.
        width: factor on the number of channels.
        blocks: residual blocks per stage.

    Raises:
        ValueError: a size is out of its range.

    Reference: He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, arXiv 1603.05027 (the
    block: norm, convolution, norm, PReLU, convolution, norm).

    Example:
        >>> import torch
        >>> ResNet(feature_dim=16, channels=3, image_size=112, width=0.125)(torch.zeros(2, 3, 112, 112)).shape
        torch.Size([2, 16])
    """

    def __init__(
        self,
        feature_dim: int = 128,
        channels: int = 3,
        image_size: int = 112,
        width: float = 1.0,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        check_sizes(
            "ResNet", channels=channels, image_size=image_size, feature_dim=feature_dim, width=width, smallest=16
        )
        if blocks < 1:
            raise ValueError(f"ResNet: blocks is {blocks}, expected at least 1 per stage")
        counts = [scaled(count, width) for count in (64, 128, 256, 512)]
        layers: list[nn.Module] = [convolution(channels, counts[0], 3, stride=2 if image_size >= 64 else 1, norm=True)]
        before = counts[0]
        for stage, count in enumerate(counts):
            for block in range(blocks):
                layers.append(_Block(before, count, stride=2 if stage and not block else 1))
                before = count
        self.stages = nn.Sequential(*layers, nn.BatchNorm2d(before), PReLU(before), nn.AdaptiveAvgPool2d(1))
        self.features = nn.Sequential(nn.Linear(before, feature_dim), nn.BatchNorm1d(feature_dim))

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, C, H, W)."""
        return cast(Tensor, self.features(self.stages(images).flatten(1)))


class _Block(nn.Module):
    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            PReLU(after),
            nn.Conv2d(after, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else _Pointwise(before, after, stride)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.shortcut(x) + self.residual(x))


class _Pointwise(nn.Conv2d):
    """A 1x1 convolution over every `stride`-th pixel.

    The pixels are taken before the convolution: PyTorch's own strided kernel on a CPU, with few channels and channels
    last, writes past its memory (it aborts, or its gradients are wrong).
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__(before, after, 1, bias=False)
        self.every = stride

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, :, :: self.every, :: self.every])
