"""Checks that stop a run before numbers that are not finite reach its checkpoint."""

import math
from pathlib import Path

import torch
from torch import nn

from ._errors import TrainingError
from ._parallel import local
from .checkpoint_folder import has_checkpoint


def check_loss(value: float, step: int, checkpoint: Path) -> None:
    """Raise TrainingError if the loss is not finite."""
    if not math.isfinite(value):
        raise TrainingError(
            f"the loss is {value} at step {step}: lower the learning rate or the scale, or warm the margin up; "
            f"{_good_state(checkpoint)}"
        )


def check_weights(modules: tuple[nn.Module, ...], step: int, checkpoint: Path) -> None:
    """Raise TrainingError if a parameter or a buffer is not finite."""
    for module in modules:
        for name, tensor in module.state_dict().items():
            if not torch.isfinite(local(tensor)).all():
                raise TrainingError(
                    f"{name} is not finite after step {step}: lower the learning rate or warm the margin up; "
                    f"{_good_state(checkpoint)}"
                )


def _good_state(checkpoint: Path) -> str:
    if has_checkpoint(checkpoint):
        return f"{checkpoint} holds the last good state"
    return "no checkpoint had been written yet (see save_every)"
