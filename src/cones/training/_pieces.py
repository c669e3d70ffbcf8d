"""Parts of the tensors of a run that a rank holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata
from torch.distributed.tensor import DTensor

from ..head import Head
from ._position import CheckpointError
from ._run_state import CLASSES, Optimizers, head_of, optimizer_tensors, parameters, weights
from .stored_checkpoint import Stored


@dataclass(frozen=True)
class Piece:
    """A rank's part of a tensor.

    Attributes:
        shape: of the whole tensor.
        offsets: place of the part in it.
        tensor: the part; all of it where the tensor is the same on every rank.
        replicated: whether it is, so that rank 0 alone writes it.
    """

    shape: tuple[int, ...]
    offsets: tuple[int, ...]
    tensor: Tensor
    replicated: bool

    @property
    def chunk(self) -> ChunkStorageMetadata:
        """Its place and shape, as torch.distributed.checkpoint has them."""
        return ChunkStorageMetadata(torch.Size(self.offsets), torch.Size(self.tensor.shape))

    def like(self, dtype: torch.dtype) -> "Piece":
        """Return an empty part of this place, on the CPU."""
        return replace(self, tensor=torch.empty(self.tensor.shape, dtype=dtype))


def piece_of(tensor: Tensor, *, first_row: int = 0, num_rows: int | None = None) -> Piece:
    """Return the part of a tensor that this rank holds.

    Args:
        tensor: whole and the same on every rank; a DTensor, as of fully_shard; or rows of a tensor.
        first_row: where these rows begin.
        num_rows: rows of all ranks; None where the tensor is not sharded by rows.
    """
    if isinstance(tensor, DTensor):
        (chunk,) = cast(Any, tensor).__create_chunk_list__()
        return Piece(tuple(tensor.shape), tuple(chunk.offsets), tensor.to_local(), replicated=False)
    if num_rows is None:
        return Piece(tuple(tensor.shape), (0,) * tensor.dim(), tensor, replicated=True)
    shape, offsets = (num_rows, *tensor.shape[1:]), (first_row, *(0,) * (tensor.dim() - 1))
    return Piece(shape, offsets, tensor, replicated=False)


def pieces_of(tensors: Mapping[str, Tensor], head: Head | None) -> dict[str, Piece]:
    """Return the parts of tensors that this rank holds, by name.

    Args:
        tensors: by their names in a checkpoint; of the state of an optimiser each under the name of its parameter.
        head: whose weight, and bias of one number per class, are sharded by rows.
    """
    rows = rows_of(head)
    return {
        name: piece_of(tensor, first_row=rows[name][0], num_rows=rows[name][1]) if name in rows else piece_of(tensor)
        for name, tensor in tensors.items()
    }


def rows_of(head: Head | None) -> dict[str, tuple[int, int]]:
    """Return the first row and the rows of all ranks of what a head shards, by its name in a checkpoint."""
    if head is None:
        return {}
    rows = {"loss.head.weight": (head.classes.start * head.subcenters, head.num_classes * head.subcenters)}
    if head.bias is not None and head.bias.dim() == 1:
        rows["loss.head.bias"] = head.classes.start, head.num_classes
    return rows


def optimizer_pieces(loss: nn.Module, optimizer: Optimizers) -> dict[str, Piece]:
    """Parts of the optimisers' state: rows go with the rows of their parameter."""
    learnt, rows = parameters(optimizer), _rows_by_parameter(loss)
    pieces = {}
    for name, value in optimizer_tensors(optimizer).items():
        parameter = learnt[int(name.split(".")[1])]
        first, total = rows.get(id(parameter), (0, None))
        by_rows = total is not None and value.shape == parameter.shape
        pieces[name] = piece_of(value, first_row=first, num_rows=total) if by_rows else piece_of(value)
    return pieces


def _rows_by_parameter(loss: nn.Module) -> dict[int, tuple[int, int]]:
    named = {f"loss.{name}": parameter for name, parameter in loss.named_parameters()}
    return {id(named[name]): rows for name, rows in rows_of(head_of(loss)).items()}


def wanted_pieces(stored: Stored, backbone: nn.Module, loss: nn.Module, optimizer: Optimizers) -> dict[str, Piece]:
    """Empty parts of all that this rank takes from a checkpoint.

    Raises:
        CheckpointError: it is of another model.
    """
    own = pieces_of(weights(backbone, loss), head_of(loss))
    there = {name for name in stored.tensors if name.startswith(("backbone.", "loss."))}
    different = [
        f"{name} is {stored.tensors[name].shape} there and {piece.shape} here"
        for name, piece in own.items()
        if name in there and stored.tensors[name].shape != piece.shape
    ]
    different += [f"{name} is missing there" for name in own if name not in there]
    different += [f"{name} is missing here" for name in sorted(there) if name not in own]
    if different:
        more = f", and {len(different) - 3} more" if len(different) > 3 else ""
        raise CheckpointError(
            f"{stored.path} holds another model than the configuration names: {'; '.join(different[:3])}{more}"
        )
    pieces = {name: piece.like(stored.tensors[name].dtype) for name, piece in own.items()}
    learnt, rows = parameters(optimizer), _rows_by_parameter(loss)
    for name, entry in stored.tensors.items():
        if name in ("random.cpu", CLASSES):
            pieces[name] = piece_of(torch.empty(entry.shape, dtype=entry.dtype))
        elif name.startswith("optimizer."):
            parameter = _parameter(stored, name, learnt)
            first, total = rows.get(id(parameter), (0, None))
            piece = piece_of(parameter, first_row=first, num_rows=total)
            if entry.shape != piece.shape or not entry.shape:
                piece = piece_of(torch.empty(entry.shape, dtype=entry.dtype))
            pieces[name] = piece.like(entry.dtype)
    return pieces


def _parameter(stored: Stored, name: str, learnt: Sequence[Tensor]) -> Tensor:
    number = name.split(".")[1]
    if not number.isdecimal() or int(number) >= len(learnt):
        raise CheckpointError(
            f"{stored.path} is not a checkpoint of this run: it has {name}, but the optimisers have {len(learnt)} "
            "parameters: build them as the run did"
        )
    return learnt[int(number)]


@torch.no_grad()
def put_back(tensors: dict[str, Tensor], backbone: nn.Module, loss: nn.Module) -> None:
    """Copy what was read to parameters and buffers, shards to shards."""
    for name, target in weights(backbone, loss).items():
        (target.to_local() if isinstance(target, DTensor) else target).copy_(tensors[name])


def optimizer_states(stored: Stored, tensors: dict[str, Tensor], optimizer: Optimizers) -> dict[str, Tensor]:
    """State of sharded parameters as DTensors, as the optimiser keeps it."""
    states: dict[str, Tensor] = {}
    learnt = parameters(optimizer)
    for name, local in tensors.items():
        parameter = learnt[int(name.split(".")[1])] if name.startswith("optimizer.") else None
        if isinstance(parameter, DTensor) and stored.tensors[name].shape == tuple(parameter.shape) != ():
            states[name] = DTensor.from_local(
                local.to(parameter.device), parameter.device_mesh, parameter.placements, run_check=False,
                shape=parameter.shape, stride=parameter.stride(),
            )  # fmt: skip
    return states
