"""Checkpoints of one process: one safetensors file each, so that a file is whole or not there. No pickle anywhere.

Names of the tensors and of what is in the header: see `cones.training._run_state`. A checkpoint that many ranks wrote
is read here as one of one process, see `cones.training.shared_checkpoint`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..common.atomic_files import WriteError, replacing
from ..common.expressions import brief
from ..common.tensor_file import write_tensors
from ._position import CheckpointError as CheckpointError
from ._position import Position as Position
from ._position import position_in
from ._run_state import (
    CLASSES,
    Optimizers,
    bare,
    check_names,
    header_of,
    names_in,
    names_tensor,
    optimizer_tensors,
    random_tensors,
    restore_optimizers,
    restore_random,
    weights,
)
from .checkpoint_folder import remove_others, use_newest
from .stored_checkpoint import FORMAT, INDEX, Stored


def save_checkpoint(
    path: Path,
    backbone: nn.Module,
    loss: nn.Module,
    optimizer: Optimizers,
    position: Position,
    *,
    classes: Sequence[str] = (),
) -> None:
    """Write all that a run needs to go on bit by bit as if it had never stopped.

    Checkpoints of many ranks, in the folder last/ beside last.safetensors, were before it and are removed.

    Args:
        path: the file.
        backbone: whose weights are written.
        loss: whose weights are written.
        optimizer: one, or several.
        position: of the run.
        classes: the K names of the classes, if they have any.

    Raises:
        CheckpointError: the disk is full, or the like; the file that stood at path is untouched.
    """
    tensors = weights(backbone, loss) | optimizer_tensors(optimizer) | random_tensors() | names_tensor(classes)
    write_file(path, tensors, header_of(backbone, loss, optimizer, position))
    remove_others(path, keep=0)


def save_weights(
    path: Path, backbone: nn.Module, loss: nn.Module, position: Position, *, classes: Sequence[str] = ()
) -> None:
    """Write the weights alone, as `backbone.*` and `loss.*`; arguments and errors as of `save_checkpoint`."""
    write_file(path, weights(backbone, loss) | names_tensor(classes), header_of(backbone, loss, None, position))
    remove_others(path, keep=0)


def load_checkpoint(
    path: Path, backbone: nn.Module, loss: nn.Module, optimizer: Optimizers, *, classes: Sequence[str] = ()
) -> Position:
    """Put a run back to where `save_checkpoint`, or `save_shared` on any number of ranks, wrote it.

    Args:
        path: the file last.safetensors; the newest checkpoint of it and of the folder last/ beside it is read, and
            where that one is broken the one before, with a warning.
        backbone: whose weights are read.
        loss: whose weights are read.
        optimizer: one, or several.
        classes: the K names of the classes, as the data have them; compared with those in the checkpoint.

    Raises:
        CheckpointError: the file is missing, broken, or of another model.
    """
    stored, tensors = use_newest(path, lambda stored: (stored, stored.read()))
    position = position_in(stored.header, stored.path)
    check_names(names_in(tensors.pop(CLASSES, None), stored.path), classes, stored.path)
    _load_weights(stored.path, tensors, backbone, loss)
    restore(stored, tensors, optimizer)
    return position


def restore(stored: Stored, tensors: dict[str, Tensor], optimizer: Optimizers) -> None:
    """Put the state of optimisers and of random number generators back.

    Raises:
        CheckpointError: it does not fit.
    """
    for field in ("optimizer", "random"):
        try:
            if field == "optimizer":
                restore_optimizers(tensors, stored.header, optimizer)
            else:
                restore_random(tensors, stored.header)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
            reason = brief(" ".join(f"{type(error).__name__}: {error}".split()), 200)
            raise CheckpointError(
                f"{stored.path} is not a checkpoint of this run, its {field} state does not fit ({reason}): start "
                "again or use another"
            ) from error


def load_weights(path: Path, backbone: nn.Module, loss: nn.Module | None = None) -> Position:
    """Load the weights alone, as `load_weights_of` does, and return where the run was."""
    return load_weights_of(path, backbone, loss)[0]


def load_weights_of(path: Path, backbone: nn.Module, loss: nn.Module | None = None) -> tuple[Position, Path]:
    """Load the weights alone, from a checkpoint of either kind; without a loss those of the backbone.

    Args:
        path: as of `load_checkpoint`; or best.safetensors.
        backbone: whose weights are read.
        loss: whose weights are read, or None.

    Returns:
        where the run was, and the file that tells these weights from all others: of a checkpoint of many ranks the
        index, which has all checksums.

    Raises:
        CheckpointError: the file is missing, broken, or of another model.
    """
    prefixes = ("backbone.",) if loss is None else ("backbone.", "loss.")

    def read(stored: Stored) -> tuple[Stored, dict[str, Tensor]]:
        # a file is checked as a whole; of many ranks the rows of W, which may be most of it, are left out
        wanted = prefixes if stored.files else ("",)
        return stored, {name: tensor for prefix in wanted for name, tensor in stored.read(prefix).items()}

    stored, tensors = use_newest(path, read)
    _load_weights(stored.path, tensors, backbone, loss)
    return position_in(stored.header, stored.path), stored.path / INDEX if stored.files else stored.path


def _load_weights(path: Path, tensors: dict[str, Tensor], backbone: nn.Module, loss: nn.Module | None) -> None:
    for prefix, module in (("backbone.", bare(backbone)), ("loss.", loss)):
        if module is None:
            continue
        own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"{path} holds another model than the configuration names: {reason}") from error


def write_file(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write a checkpoint of one process, whole or not at all.

    Raises:
        CheckpointError: the disk is full, or the like; the file that stood at path is untouched.
    """
    metadata = {"format": FORMAT, "header": json.dumps(header)}
    try:
        with replacing(path) as aside:
            write_tensors(aside, tensors, metadata)
    except WriteError as error:
        raise CheckpointError(f"cannot write {path} ({error.reason}); the file there before is unchanged") from error
