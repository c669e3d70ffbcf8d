"""Checkpoints of many ranks, each of which writes its own rows, for any number of ranks to go on from.

They are written and read through torch.distributed.checkpoint, whose planners and storage are ours: rows of a head are
no DTensor, and PyTorch's own reader unpickles. The format is in `cones.training.stored_checkpoint`.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException

from ..common.run_folder import BEST, LAST
from ..common.tensor_file import DamagedError
from ..engine.ranks import Group
from ._pieces import Piece, optimizer_pieces, optimizer_states, pieces_of, put_back, wanted_pieces
from ._planners import Loading, Saving
from ._position import CheckpointError, Position, position_in
from ._run_state import CLASSES, Optimizers, check_names, head_of, header_of, names_in, names_tensor, weights
from ._storage import Reader, Writer
from .checkpoint import restore
from .checkpoint_folder import BROKEN, newest_first, shared_folder, warn_of_broken
from .stored_checkpoint import Stored, open_checkpoint

Value = TypeVar("Value")


class BackgroundSave:
    """Writes checkpoints in a thread, while the run goes on: a save returns once the tensors are copied.

    Args:
        group: the ranks; None for all. They get a gloo group of their own, since the thread talks to the other ranks
            while the run does.

    Example:
        background = BackgroundSave(group)
        save_shared(folder, backbone, loss, optimizer, position, group, background=background)
        background.wait()
    """

    def __init__(self, group: Group = None) -> None:
        ranks = None if group is None else dist.get_process_group_ranks(group)
        self.group: Group = dist.new_group(ranks, backend="gloo")
        self._pending: tuple[Future[Any], Writer, Path] | None = None

    def wait(self) -> None:
        """Wait until the last checkpoint is whole.

        Raises:
            CheckpointError: it could not be written; the one before it is untouched.
        """
        if self._pending is not None:
            future, writer, path = self._pending
            self._pending = None
            with _writing(path, writer):
                future.result()

    def start(self, path: Path, writer: Writer, future: "Future[Any]") -> None:
        """Take a save under way."""
        self._pending = future, writer, path


def save_shared(
    folder: Path,
    backbone: nn.Module,
    loss: nn.Module,
    optimizer: Optimizers,
    position: Position,
    group: Group,
    *,
    classes: Sequence[str] = (),
    background: BackgroundSave | None = None,
) -> None:
    """Write all that a run on many ranks needs to go on, on any number of them; called by each.

    Each rank writes its own rows of W, with their optimiser state, and its own shards of a backbone under fully_shard;
    rank 0 writes the rest. The checkpoint appears in the folder last/ under the next number once it is whole, and the
    one before it is kept.

    Args:
        folder: of the run, which all ranks share.
        backbone: plain, under DistributedDataParallel, or under fully_shard.
        loss: a JointLoss, whose head holds this rank's classes.
        optimizer: one, or several, such as a ClassSGD beside one for the backbone.
        position: of the run.
        group: the ranks; None for all.
        classes: the K names of the classes, if they have any.
        background: in whose thread to write; None to return when the checkpoint is whole.

    Raises:
        CheckpointError: a rank cannot write; all ranks raise, and the checkpoints that were there are untouched.
    """
    tensors = weights(backbone, loss) | {"random.cpu": torch.get_rng_state()} | names_tensor(classes)
    pieces = pieces_of(tensors, head_of(loss)) | optimizer_pieces(loss, optimizer)
    _save(folder / LAST, pieces, header_of(backbone, loss, optimizer, position), group, 2, background)


def save_shared_weights(
    folder: Path,
    backbone: nn.Module,
    loss: nn.Module,
    position: Position,
    group: Group,
    *,
    classes: Sequence[str] = (),
) -> None:
    """Write the weights alone, in the place of the best ones; arguments and errors as of `save_shared`."""
    pieces = pieces_of(weights(backbone, loss) | names_tensor(classes), head_of(loss))
    _save(folder / BEST, pieces, header_of(backbone, loss, None, position), group, 1, None)


def load_shared(
    folder: Path,
    backbone: nn.Module,
    loss: nn.Module,
    optimizer: Optimizers,
    group: Group,
    *,
    classes: Sequence[str] = (),
) -> Position:
    """Put a run back to where `save_shared` on any number of ranks, or `save_checkpoint`, wrote it; called by each.

    The newest checkpoint in the folder is read. Where it is broken the one before it is, with a warning that names
    both, and the broken one gets the suffix .broken until two newer ones are there.

    Args:
        folder: of the run, which all ranks share.
        backbone: as of `save_shared`.
        loss: as of `save_shared`.
        optimizer: as of `save_shared`.
        group: the ranks; None for all.
        classes: the K names of the classes, as the data have them; compared with those in the checkpoint.

    Returns:
        where the run was.

    Raises:
        CheckpointError: there is no checkpoint, none is intact, or it is of another model; all ranks raise.
    """
    _check_first(group)
    broken: dict[Path, str] = {}
    for path in _agreed(lambda: newest_first(folder / LAST), group):
        try:
            stored = _agreed(partial(open_checkpoint, path), group)
            pieces = wanted_pieces(stored, backbone, loss, optimizer)
            _read(stored, pieces, group)
        except DamagedError as error:
            broken[path] = f"{path} is broken ({error})"
            continue
        tensors = {name: piece.tensor for name, piece in pieces.items()}
        check_names(names_in(tensors.pop(CLASSES, None), path), classes, path)
        position = position_in(stored.header, path)
        put_back(tensors, backbone, loss)
        restore(stored, tensors | optimizer_states(stored, tensors, optimizer), optimizer)
        if broken and _is_first(group):
            warn_of_broken(list(broken.values()), path)
            for each in broken:
                if each.parent == shared_folder(folder / LAST):
                    each.rename(each.with_name(f"{each.name}{BROKEN}"))
        return position
    raise CheckpointError(f"{'; '.join(broken.values())}: delete it, or replace it with an intact copy")


def _save(
    path: Path,
    pieces: dict[str, Piece],
    header: dict[str, Any],
    group: Group,
    keep: int,
    background: BackgroundSave | None,
) -> None:
    _check_first(group)
    writer, planner = Writer(path, header, keep), Saving(pieces)
    tensors: dict[str, Any] = {name: piece.tensor for name, piece in pieces.items()}
    if background is None:
        with _writing(path, writer), _quietly():
            dcp.save(tensors, storage_writer=writer, planner=planner, process_group=group)
        return
    background.wait()
    with _quietly():
        future = dcp.async_save(tensors, storage_writer=writer, planner=planner, process_group=background.group)
    assert isinstance(future, Future)
    background.start(path, writer, future)


@contextmanager
def _writing(path: Path, writer: Writer) -> Iterator[None]:
    try:
        yield
    except CheckpointException as error:
        writer.give_up(error)
        raise CheckpointError(
            f"cannot write {shared_folder(path)}: {_reasons(error)}; the checkpoint before is unchanged"
        ) from error
    except BaseException as error:
        writer.give_up(error)
        raise


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out the warning that there is one process alone, and that an asynchronous save is new."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is ")
        yield


def _reasons(error: CheckpointException) -> str:
    """Errors of the ranks in one line."""
    return "; ".join(
        f"rank {rank}: {' '.join(f'{type(each).__name__}: {each}'.split())}"
        for rank, (each, _) in sorted(error.failures.items())
    )


def _read(stored: Stored, pieces: dict[str, Piece], group: Group) -> None:
    """Fill the parts.

    Raises:
        DamagedError: on all ranks, if one has met damage.
        CheckpointError: a rank cannot read.
    """
    tensors = {name: piece.tensor for name, piece in pieces.items()}
    try:
        with _quietly():
            dcp.load(tensors, storage_reader=Reader(stored), planner=Loading(pieces), process_group=group)
    except CheckpointException as error:
        damage = [each for each, _ in error.failures.values() if isinstance(each, DamagedError)]
        if damage:
            raise DamagedError(str(damage[0])) from error
        raise CheckpointError(f"{stored.path} cannot be read: {_reasons(error)}") from error


def _is_first(group: Group) -> bool:
    return not dist.is_initialized() or dist.get_rank(group) == 0


def _check_first(group: Group) -> None:
    """Refuse the one kind of group that torch.distributed.checkpoint of PyTorch 2.6 cannot take."""
    if group is None or not torch.__version__.startswith("2.6."):
        return
    first = dist.get_global_rank(group, 0)
    if first:
        raise CheckpointError(
            f"group begins with rank {first} of all, and torch.distributed.checkpoint of PyTorch 2.6 takes only groups "
            "that begin with rank 0: use PyTorch 2.7 or newer, or such a group"
        )


def _agreed(compute: Callable[[], Value], group: Group) -> Value:
    """Return what rank 0 computes, on all ranks; all raise what it raises."""
    if not dist.is_initialized():
        return compute()
    answer: list[Any] = [None, None]
    if _is_first(group):
        try:
            answer[0] = compute()
        except (CheckpointError, DamagedError) as error:
            answer[1] = error
        except OSError as error:
            answer[1] = CheckpointError(f"cannot read a checkpoint: {error}")
    source = 0 if group is None else dist.get_global_rank(group, 0)
    dist.broadcast_object_list(answer, src=source, group=group)
    if answer[1] is not None:
        raise answer[1]
    return cast(Value, answer[0])
