"""Batches as slices of tensors in memory: no worker processes, no per-image Python."""

import torch
from torch import Tensor

from ._run import Run

SEEDS_OF_ORDERS = 2**40
"""Numbers below are those of epochs."""


def order(num_samples: int, batch_size: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """The batches of an epoch: a random order cut into pieces whose sizes differ by one at most.

    It depends on the arguments alone, so a resumed run sees the same batches.

    Args:
        num_samples: N.
        batch_size: rows a batch at most.
        seed: of the run.
        epoch: 0, 1, ...

    Returns:
        index tensors that together hold 0..N-1 once.
    """
    shuffled = torch.randperm(num_samples, generator=_generator(seed, epoch))
    return torch.tensor_split(shuffled, -(-num_samples // batch_size))


def to_float(inputs: Tensor) -> Tensor:
    """uint8 pixels to [-1, 1): (p - 127.5) / 128, as SphereFace has it; floating inputs as they are."""
    return (inputs.float() - 127.5) / 128 if inputs.dtype == torch.uint8 else inputs


def to_input(inputs: Tensor, run: Run) -> Tensor:
    """Pixels or vectors in the range, the precision and the memory layout that the run's backbone takes."""
    x = to_float(inputs)
    x = x.double() if run.precision == "float64" else x
    return x.contiguous(memory_format=torch.channels_last) if lies_channels_last(run) and x.dim() == 4 else x


def lies_channels_last(run: Run) -> bool:
    """Whether images and kernels lie channels last: not in a net of one's own, which may .view() them as NCHW."""
    return run.channels_last and ":" not in run.backbone


def augment(
    images: Tensor,
    *,
    shift: int,
    flip: bool,
    seed: int,
    step: int,
    num_rows: int | None = None,
    own: slice = slice(None),
) -> Tensor:
    """Random shifts and left-right flips of many images at once, by seed, step and place in the batch alone.

    Args:
        images: (n, C, H, W), any dtype; what is shifted in repeats the border.
        shift: pixels at most, in each direction.
        flip: whether half of the images are flipped.
        seed: of the run.
        step: number of the batch in the run.
        num_rows: N, of the whole batch; None for n.
        own: which of these the images are.

    Returns:
        (n, C, H, W).

    Raises:
        ValueError: vectors are to be shifted or flipped.
    """
    if not shift and not flip:
        return images
    if images.dim() != 4:
        raise ValueError(f"shift is {shift} and flip {flip}, but inputs have shape {tuple(images.shape)}: not images")
    generator = _generator(seed, -1 - step)
    n, _, height, width = images.shape
    drawn = n if num_rows is None else num_rows
    if flip:
        flipped = (torch.rand(drawn, generator=generator) < 0.5)[own].to(images.device)
        images = torch.where(flipped[:, None, None, None], images.flip(3), images)
    if shift:
        down, right = torch.randint(-shift, shift + 1, (2, drawn, 1), generator=generator)[:, own].to(images.device)
        rows = (torch.arange(height, device=images.device) + down).clamp(0, height - 1)
        columns = (torch.arange(width, device=images.device) + right).clamp(0, width - 1)
        each = torch.arange(n, device=images.device)[:, None, None]
        images = images[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return images


def seed_draws(seed: int, step: int) -> None:
    """Let all that a step draws from PyTorch's random numbers depend on the seed and its number alone."""
    torch.manual_seed(_number(seed, SEEDS_OF_ORDERS + step))


def _generator(seed: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(_number(seed, number))


def _number(seed: int, number: int) -> int:
    return (seed * 1_000_003 + number) % 2**63  # the multiplier only keeps (seed, number) pairs apart
