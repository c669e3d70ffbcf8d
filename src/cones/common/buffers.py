"""Buffers that keep their precision when a module is cast: an average of small steps stops moving in half precision."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def restore_precision(module: nn.Module, before: Mapping[str, Tensor], *, may_widen: bool = False) -> None:
    """Restore dtype and digits of the buffers of a module that was moved and cast.

    Args:
        module: after the cast.
        before: its buffers by name, before the cast.
        may_widen: whether a cast to float32 or float64 is left as it is.
    """
    for name, buffer in before.items():
        now: Tensor = getattr(module, name)
        wide = now.dtype in (torch.float32, torch.float64)
        if now.dtype != buffer.dtype and not (may_widen and wide):
            setattr(module, name, buffer.to(now.device))
