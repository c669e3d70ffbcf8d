"""Precisions that steps and sums are computed in."""

import torch
from torch import Tensor


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """The widest dtype among the tensors, float32 at least: half precision is too narrow for squares and sums."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def vector_dtype(x: Tensor) -> torch.dtype:
    """The dtype for sums over all classes: these (N,) numbers cost nothing, and float32 would round them."""
    return x.dtype if x.device.type == "mps" else torch.float64
