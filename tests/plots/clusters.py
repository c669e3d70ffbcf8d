"""Labelled points around class directions."""

import math

import torch

from cones.plots import LabelledFeatures


def clusters(rows: int, dims: int = 2, classes: int = 4, seed: int = 0) -> tuple[LabelledFeatures, torch.Tensor]:
    """Rows around `classes` directions, evenly spread in two dimensions, and those directions."""
    generator = torch.Generator().manual_seed(seed)
    angle = torch.arange(classes) * 2 * math.pi / classes
    weight = torch.randn(classes, dims, generator=generator)
    weight[:, 0], weight[:, 1] = angle.cos(), angle.sin()
    labels = torch.arange(rows) % classes
    features = 10 * (weight[labels] + 0.1 * torch.randn(rows, dims, generator=generator))
    return LabelledFeatures("test", features, labels), weight
