"""Nets of the benchmarks, which the trainer loads by import path."""

from typing import cast

from torch import Tensor, nn


class Strided(nn.Module):
    """A net for small grey images that halves them at once: a tenth of the work of LeNets++.

    Three convolutions of stride 2 with batch norm and ReLU, one linear layer with batch norm to D features.

    Args:
        feature_dim: D.
        image_size: side of the square images in pixels.
        width: channels of the first convolution; the next two have twice and four times as many.
    """

    def __init__(self, feature_dim: int = 128, image_size: int = 32, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, side = 1, image_size
        for kernel, count in ((5, width), (3, 2 * width), (3, 4 * width)):
            layers += [
                nn.Conv2d(before, count, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(count),
                nn.ReLU(),
            ]
            before, side = count, (side + 1) // 2
        self.stages = nn.Sequential(*layers)
        self.features = nn.Sequential(
            nn.Linear(before * side * side, feature_dim, bias=False), nn.BatchNorm1d(feature_dim)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, 1, H, W)."""
        return cast(Tensor, self.features(self.stages(images).flatten(1)))
