"""Precision that fits the processor: bfloat16 where it is measured to be faster, float32 elsewhere."""

import logging
import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from ..engine.processor import Speeds, convolution_speeds, faster_dtype, product_speeds, warn_of
from ._run import Run
from .batches import to_input

logger = logging.getLogger(__name__)


def decided(run: Run, backbone: nn.Module, sample: Tensor, device: torch.device) -> Run:
    """The run with "auto" precision replaced by what it becomes on this device, which is logged.

    A CPU is timed on the heaviest convolution or product of the backbone, some hundredths of a second, once a process.
    A GPU computes in bfloat16 where it has it. A run that asks for bfloat16 keeps it, with a warning where it was
    measured to be the slower.

    Args:
        run: the configuration.
        backbone: its net, on any device.
        sample: (1, ...), an input.
        device: of the training.
    """
    if run.precision not in ("auto", "bfloat16"):
        return run
    speeds = speeds_of(run, backbone, sample) if device.type == "cpu" else None
    if run.precision == "bfloat16":
        if speeds is not None:
            warn_of(speeds, instead='precision "float32" or "auto"')
        return run
    if speeds is not None:
        fast, why = faster_dtype(speeds) == torch.bfloat16, str(speeds)
    elif device.type == "cuda":
        with torch.cuda.device(device):
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        why = torch.cuda.get_device_name(device)
    else:
        fast, why = False, "no convolutions or products" if device.type == "cpu" else f"device {device.type}"
    chosen: Literal["bfloat16", "float32"] = "bfloat16" if fast else "float32"
    logger.info("precision auto is %s here (%s)", chosen, why)
    return replace(run, precision=chosen)


def speeds_of(run: Run, backbone: nn.Module, sample: Tensor) -> Speeds | None:
    """Times of the backbone's heaviest layer in both precisions; None where it neither convolves nor multiplies."""
    heaviest = heaviest_layer(run, backbone, sample)
    match heaviest:
        case nn.Conv2d():
            last = heaviest.weight.is_contiguous(memory_format=torch.channels_last)
            kernel = tuple(heaviest.kernel_size)
            return convolution_speeds(heaviest.in_channels, heaviest.out_channels, kernel, channels_last=last)
        case nn.Linear():
            return product_speeds(heaviest.in_features, heaviest.out_features)
        case _:
            return None


@torch.no_grad()
def heaviest_layer(run: Run, backbone: nn.Module, sample: Tensor) -> nn.Conv2d | nn.Linear | None:
    """The Conv2d or Linear with the most multiplications on a sample (1, ...)."""
    heaviest: nn.Conv2d | nn.Linear | None = None
    most = 0

    def count(layer: nn.Module, _: object, y: Tensor) -> None:
        nonlocal heaviest, most
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        places = math.prod(y.shape[2:]) if isinstance(layer, nn.Conv2d) else y.numel() // y.shape[-1]
        if places * layer.weight.numel() > most:
            heaviest, most = layer, places * layer.weight.numel()

    layers = [layer for layer in backbone.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    device = next(backbone.parameters(), sample).device
    training = backbone.training
    try:
        with torch.random.fork_rng(devices=[]):
            backbone.eval()(to_input(sample.to(device), replace(run, precision="float32")))
    finally:
        backbone.train(training)
        for hook in hooks:
            hook.remove()
    return heaviest
