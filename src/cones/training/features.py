"""Features of a backbone in evaluation mode, a block of rows at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..data import Dataset
from ._run import Run
from ._world import ALONE, World
from .batches import to_input

BLOCK = 500
"""Rows at a time."""


@torch.no_grad()
def extract(
    backbone: nn.Module, dataset: Dataset, device: torch.device, *, run: Run, world: World = ALONE
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (n, D) and labels (n,) of a data set, in the precision that the run trains in.

    Each rank gets its rows of every block, as many blocks as any other.
    """
    backbone.eval()
    block = BLOCK * world.size
    for rows, labels in zip(dataset.inputs.split(block), dataset.labels.split(block), strict=True):
        own = world.rows(len(rows))
        with precision(run, device):
            yield backbone(to_input(rows[own].to(device), run)), labels[own].to(device)


@torch.no_grad()
def features_of(backbone: nn.Module, inputs: Tensor, device: torch.device, run: Run) -> Tensor:
    """Features (N, D) float32 on the CPU, computed in float32 at least, whatever precision the run trains in."""
    exact = replace(run, precision="float32") if run.precision == "bfloat16" else run
    backbone.eval()
    blocks = [backbone(to_input(rows.to(device), exact)).cpu() for rows in inputs.split(BLOCK)]
    return torch.cat(blocks).float()


def precision(run: Run, device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 autocast where the run asks for it."""
    return torch.autocast(device.type, torch.bfloat16) if run.precision == "bfloat16" else nullcontext()
