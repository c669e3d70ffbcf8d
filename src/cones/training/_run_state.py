"""State of a run as named tensors and a header, and back.

`backbone.*` and `loss.*` are the weights, `optimizer.INDEX.NAME` the tensors of the optimisers, whose parameters are
numbered one after the other, `random.*` the states of PyTorch's generators, and `classes` the names of the classes, as
the UTF-8 bytes of a JSON list. The header has whatever is not a tensor.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from ..common.expressions import brief
from ..head import Head
from ..margins import written
from ._position import CheckpointError, Position

HELD = "loss.head.classes_held"
"""The range of classes of one rank, which is no state of the run."""

CLASSES = "classes"
Optimizers = Optimizer | Sequence[Optimizer]
"""One optimiser, or several, such as a ClassSGD for the weight of the head beside one for the rest."""


def listed(optimizer: Optimizers) -> list[Optimizer]:
    """Return one optimiser, or several, as a list."""
    return [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)


def bare(backbone: nn.Module) -> nn.Module:
    """Return the backbone without DistributedDataParallel around it."""
    return backbone.module if isinstance(backbone, DistributedDataParallel) else backbone


def head_of(loss: nn.Module) -> Head | None:
    """Return the head of a joint loss; None for another module."""
    head = getattr(loss, "head", None)
    return head if isinstance(head, Head) else None


def weights(backbone: nn.Module, loss: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by their names in a checkpoint."""
    tensors = {f"backbone.{name}": tensor for name, tensor in bare(backbone).state_dict().items()}
    tensors |= {f"loss.{name}": tensor for name, tensor in loss.state_dict().items()}
    tensors.pop(HELD, None)
    return tensors


def parameters(optimizer: Optimizers) -> list[Tensor]:
    """Return the parameters of all optimisers in the order of their numbers."""
    return [each for one in listed(optimizer) for group in one.param_groups for each in group["params"]]


def optimizer_tensors(optimizer: Optimizers) -> dict[str, Tensor]:
    """Return the tensors in the state of all optimisers by their names in a checkpoint."""
    return {
        f"optimizer.{number}.{name}": value
        for number, parameter in enumerate(parameters(optimizer))
        for name, value in _state(optimizer, parameter).items()
        if isinstance(value, Tensor)
    }


def _state(optimizer: Optimizers, parameter: Tensor) -> dict[str, Any]:
    states = (one.state for one in listed(optimizer) if parameter in one.state)
    return next((dict(state[parameter]) for state in states), {})


def names_tensor(classes: Sequence[str]) -> dict[str, Tensor]:
    """Return the names of the classes as the tensor of a checkpoint, if there are any."""
    text = json.dumps(list(classes), separators=(",", ":")).encode()
    return {CLASSES: torch.frombuffer(bytearray(text), dtype=torch.uint8)} if classes else {}


def names_in(tensor: Tensor | None, path: Path) -> tuple[str, ...]:
    """Return the names of the classes from the tensor of a checkpoint; none where it has none.

    Raises:
        CheckpointError: it holds something else; the error names path.
    """
    if tensor is None:
        return ()
    try:
        names = json.loads(tensor.numpy().tobytes().decode())
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not a checkpoint: the names of its classes are {brief(str(error))}"
        ) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{path} is not a checkpoint: the names of its classes are {brief(repr(names))}")
    return tuple(names)


def check_names(there: Sequence[str], here: Sequence[str], path: Path) -> None:
    """Raise CheckpointError where a checkpoint and the data both name their classes, and not alike."""
    if not there or not here or tuple(there) == tuple(here):
        return
    if len(there) != len(here):
        raise CheckpointError(
            f"{path} has {len(there)} classes, the data have {len(here)}: add or remove rows by "
            "cones checkpoint grow or drop"
        )
    place = next(place for place, pair in enumerate(zip(there, here, strict=True)) if pair[0] != pair[1])
    raise CheckpointError(
        f"class {place} of {path} is {brief(there[place])!r}, of the data {brief(here[place])!r}: bring the data's "
        "classes into that order"
    )


def header_of(backbone: nn.Module, loss: nn.Module, optimizer: Optimizers | None, position: Position) -> dict[str, Any]:
    """Return all that is not a tensor, as JSON takes it; of optimisers and generators unless there is no optimiser."""
    header: dict[str, Any] = {"position": vars(position)}
    head = head_of(loss)
    if head is not None:
        header["head"] = {
            "margin": written(head.margin),
            "num_classes": head.num_classes,
            "label_smoothing": head.label_smoothing,
            "focal": head.focal,
        }
    if optimizer is None:
        return header
    names = {id(parameter): f"backbone.{name}" for name, parameter in bare(backbone).named_parameters()}
    names |= {id(parameter): f"loss.{name}" for name, parameter in loss.named_parameters()}
    learnt = parameters(optimizer)
    scalars: dict[str, dict[str, Any]] = {}
    for number, parameter in enumerate(learnt):
        for name, value in _state(optimizer, parameter).items():
            if not isinstance(value, Tensor):
                scalars.setdefault(str(number), {})[name] = value
    groups, first = [], 0
    for one in listed(optimizer):
        for group in one.state_dict()["param_groups"]:
            groups.append({**group, "params": [first + number for number in group["params"]]})
        first += sum(len(group["params"]) for group in one.param_groups)
    return header | {
        "optimizer_scalars": scalars,
        "optimizer_groups": groups,
        "optimizer_names": [names.get(id(parameter), "") for parameter in learnt],
        "python_random": random.getstate(),
    }


def restore_optimizers(tensors: dict[str, Tensor], header: dict[str, Any], optimizer: Optimizers) -> None:
    """Put the state of all optimisers back."""
    state: dict[int, dict[str, Any]] = {
        int(index): dict(entries) for index, entries in header["optimizer_scalars"].items()
    }
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    groups, first = list(header["optimizer_groups"]), 0
    if len(groups) != sum(len(one.param_groups) for one in listed(optimizer)):
        raise ValueError(f"there are {len(groups)} groups of parameters, expected those of this run")
    for one in listed(optimizer):
        its = [groups.pop(0) for _ in one.param_groups]
        numbers = [number for group in its for number in group["params"]]
        own = {number - first: state[number] for number in numbers if number in state}
        moved = [{**group, "params": [number - first for number in group["params"]]} for group in its]
        one.load_state_dict({"state": own, "param_groups": moved})
        _lay_out_as_parameters(one)
        first += len(numbers)


def _lay_out_as_parameters(optimizer: Optimizer) -> None:
    """Give the optimiser's tensors the memory layout of their parameters, as they had when they were made."""
    for parameter, entries in optimizer.state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def random_tensors() -> dict[str, Tensor]:
    """Return the states of PyTorch's random number generators by their names in a checkpoint."""
    tensors = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        for index, generator in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"random.cuda.{index}"] = generator
    return tensors


def restore_random(tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Put the states of the random number generators back."""
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available():
        states = [tensors[key] for key in sorted(tensors) if key.startswith("random.cuda.")]
        torch.cuda.set_rng_state_all(states)
    version, internal, gauss = header["python_random"]
    random.setstate((version, tuple(internal), gauss))
