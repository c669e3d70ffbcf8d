"""Checkpoints: one safetensors file each, so that a file is whole or not there. No pickle anywhere.

A file holds the weights as `backbone.*` and `loss.*`, the optimiser's tensors as `optimizer.INDEX.NAME`, the state of
the random number generators as `random.*`, and in its header, as JSON, whatever is not a tensor.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..common.atomic_files import replacing
from ..common.expressions import brief
from ..common.run_folder import parse_object
from ..common.tensor_file import read_tensors, write_tensors
from ._optimizer import AnyOptimizer

FORMAT = "cones-1"


@dataclass(frozen=True)
class Position:
    """Progress of a run.

    Args:
        step: steps done.
        epoch: epochs done.
        batch: batches done of the epoch that is under way.
        best_accuracy: highest test accuracy so far, in 0..1; -1 before the first.
        best_epoch: the epoch that reached it.
        seconds: spent training so far.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read; the file that was there is untouched."""


def save_checkpoint(
    path: Path, backbone: nn.Module, loss: nn.Module, optimizer: AnyOptimizer, position: Position
) -> None:
    """Write all that a run needs to go on bit by bit as if it had never stopped.

    Raises:
        CheckpointError: the disk is full, or the like; the file that stood at path is untouched.
    """
    tensors = _weights(backbone, loss)
    state = optimizer.state_dict()
    scalars: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        for index, generator in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"random.cuda.{index}"] = generator
    header = {
        "position": vars(position),
        "optimizer_scalars": scalars,
        "optimizer_groups": state["param_groups"],
        "python_random": random.getstate(),
    }
    _save(path, tensors, header)


def save_weights(path: Path, backbone: nn.Module, loss: nn.Module, position: Position) -> None:
    """Write the weights alone, as `backbone.*` and `loss.*`.

    Raises:
        CheckpointError: as `save_checkpoint`.
    """
    _save(path, _weights(backbone, loss), {"position": vars(position)})


def load_checkpoint(path: Path, backbone: nn.Module, loss: nn.Module, optimizer: AnyOptimizer) -> Position:
    """Put a run back to where `save_checkpoint` wrote it.

    Raises:
        CheckpointError: the file is missing, broken, or of another model.
    """
    tensors, header = _read(path)
    position = _position(path, header)
    _load_weights(path, tensors, backbone, loss)
    for field, restore in (("optimizer", _restore_optimizer), ("random", _restore_random)):
        try:
            restore(tensors, header, optimizer)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
            reason = brief(" ".join(f"{type(error).__name__}: {error}".split()), 200)
            raise CheckpointError(
                f"{path} is not a checkpoint of this run, its {field} state does not fit ({reason}): start again or "
                "use another"
            ) from error
    return position


def _restore_optimizer(tensors: dict[str, Tensor], header: dict[str, Any], optimizer: AnyOptimizer) -> None:
    state: dict[int, dict[str, Any]] = {
        int(index): dict(entries) for index, entries in header["optimizer_scalars"].items()
    }
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": header["optimizer_groups"]})
    _lay_out_as_parameters(optimizer)


def _restore_random(tensors: dict[str, Tensor], header: dict[str, Any], _: AnyOptimizer) -> None:
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available():
        states = [tensors[key] for key in sorted(tensors) if key.startswith("random.cuda.")]
        torch.cuda.set_rng_state_all(states)
    version, internal, gauss = header["python_random"]
    random.setstate((version, tuple(internal), gauss))


def load_weights(path: Path, backbone: nn.Module, loss: nn.Module | None = None) -> Position:
    """Load the weights alone, from a file of either kind; without a loss those of the backbone.

    Raises:
        CheckpointError: the file is missing, broken, or of another model.
    """
    tensors, header = _read(path)
    _load_weights(path, tensors, backbone, loss)
    return _position(path, header)


def _weights(backbone: nn.Module, loss: nn.Module) -> dict[str, Tensor]:
    tensors = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    return tensors | {f"loss.{name}": tensor for name, tensor in loss.state_dict().items()}


def _load_weights(path: Path, tensors: dict[str, Tensor], backbone: nn.Module, loss: nn.Module | None) -> None:
    for prefix, module in (("backbone.", backbone), ("loss.", loss)):
        if module is None:
            continue
        own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"{path} holds another model than the configuration names: {reason}") from error


def _lay_out_as_parameters(optimizer: AnyOptimizer) -> None:
    """Give the optimiser's tensors the memory layout of their parameters, as they had when they were made."""
    for parameter, entries in optimizer.state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _save(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    metadata = {"format": FORMAT, "header": json.dumps(header)}
    try:
        with replacing(path) as aside:
            write_tensors(aside, tensors, metadata)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write {path}: {error}; the file there before is unchanged") from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise CheckpointError(f"{path} was not written by this trainer: expected the format {FORMAT}")
        return tensors, parse_object(metadata.get("header", ""), "its header")
    except (OSError, ValueError) as error:  # a DamagedError is a ValueError
        raise CheckpointError(f"{path} is broken ({error}): delete it, or replace it with an intact copy") from error


def _position(path: Path, header: dict[str, Any]) -> Position:
    """The position in a header, each of its fields checked."""
    written = header.get("position")
    if not isinstance(written, dict) or written.keys() != vars(Position()).keys():
        names = ", ".join(vars(Position()))
        raise CheckpointError(f"{path} is not a checkpoint: position is {brief(repr(written))}, expected {names}")
    for name, default in vars(Position()).items():
        value = written[name]
        kinds = (int, float) if isinstance(default, float) else (int,)
        if type(value) not in kinds or not -1 <= value < 2**63:  # a NaN is in no range
            raise CheckpointError(f"{path} is not a checkpoint: {name} of its position is {brief(repr(value))}")
    return Position(**written)
