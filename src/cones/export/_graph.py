"""The graph that is exported: pixels in, unit embeddings out, so that nobody has to scale or normalise."""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from ..common.unit_vectors import direction
from ..embedding import Model
from ..training.batches import to_float


class UnitEmbedding(nn.Module):
    """Scaling, backbone and L2 normalisation; a zero vector stays 0.

        embedding = x / |x|,   x = backbone((p - 127.5) / 128)   of pixels p; vectors go in as they are

    Args:
        backbone: in evaluation mode, float32, on the CPU.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """(N, D) float32 of images (N, C, H, W) uint8, or of vectors (N, features) float32."""
        return direction(cast(Tensor, self.backbone(to_float(images))))[0]


def traced(model: Model) -> torch.export.ExportedProgram:
    """The graph of a model, for any number of rows.

    It is float32, also for a run in float64: not every runtime has convolutions in float64.
    """
    backbone = copy.deepcopy(model.backbone).cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    graph = UnitEmbedding(backbone).eval().requires_grad_(False)
    # two rows, for a size of 1 would be taken as fixed
    samples = torch.zeros(2, *model.input.shape, dtype=model.input.dtype)
    return torch.export.export(graph, (samples,), dynamic_shapes=({0: torch.export.Dim("N")},))
