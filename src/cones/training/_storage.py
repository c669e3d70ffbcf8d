"""Storage of torch.distributed.checkpoint in safetensors and JSON; PyTorch's own pickles its metadata."""

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Size, Tensor
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from torch.futures import Future

from ..common.atomic_files import whole_folder
from ..common.tensor_file import TensorFile, write_tensors
from .checkpoint_folder import next_number, remove_others
from .stored_checkpoint import (
    SHARED_FORMAT,
    Chunk,
    Entry,
    FileRecord,
    Stored,
    crc,
    within,
    write_index,
)


class Writer(StorageWriter):
    """Writes a folder beside the checkpoints that are there, which gets its number once it is whole.

    Args:
        path: the file of one process, in whose folder the checkpoint is written.
        header: all that is not a tensor; that of rank 0 is written.
        keep: checkpoints that are left, the new one among them.

    It is an AsyncStager of torch.distributed.checkpoint too, which copies what an asynchronous save writes.
    """

    def __init__(self, path: Path, header: dict[str, Any], keep: int) -> None:
        self._path, self._header, self._keep = path, header, keep
        self._aside = ExitStack()
        self._folder: Path | None = None

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Do nothing: a writer writes one checkpoint."""

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Accept the plan."""
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Make the folder, on rank 0, and name a file in it for each rank."""
        self._folder = self._aside.enter_context(whole_folder(next_number(self._path)))
        return [
            replace(plan, storage_data=self._folder / f"rank-{rank}.safetensors") for rank, plan in enumerate(plans)
        ]

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write this rank's file, and flush it to the disk."""
        path: Path = plan.storage_data
        results = []
        if plan.items:
            tensors: dict[str, Tensor] = {}
            for item in plan.items:
                tensor = planner.resolve_data(item)
                assert isinstance(tensor, Tensor)
                tensors[item.index.fqn] = tensor
            write_tensors(path, tensors, {"format": SHARED_FORMAT})
            with path.open("rb") as written:
                os.fsync(written.fileno())
            size = path.stat().st_size
            record = path.name, size, crc(TensorFile(path).checksums or "")
            results = [WriteResult(item.index, size, (record, item.tensor_data)) for item in plan.items]
        done: Future[list[WriteResult]] = Future()
        done.set_result(results)
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Write the index, give the folder its number, and remove what is older than the one before; on rank 0."""
        assert self._folder is not None
        files: dict[str, FileRecord] = {}
        chunks: dict[str, list[Chunk]] = {}
        for result in (each for one_rank in results for each in one_rank):
            (name, size, checksum), data = result.storage_data
            if not (self._folder / name).exists():
                raise FileNotFoundError(
                    f"{name} is not in the folder of rank 0: write to a folder that all ranks share"
                )
            files[name] = FileRecord(size, checksum)
            chunks.setdefault(result.index.fqn, []).append(
                Chunk(name, tuple(data.chunk.offsets), tuple(data.chunk.sizes))
            )
        tensors = {}
        for name, parts in chunks.items():
            entry = metadata.state_dict_metadata[name]
            assert isinstance(entry, TensorStorageMetadata)
            tensors[name] = Entry(entry.properties.dtype, tuple(entry.size), tuple(parts))
        write_index(self._folder, self._header, tensors, files)
        self._aside.close()
        remove_others(self._path, self._keep)

    should_synchronize_after_execute = _synchronize_after_execute = False
    """Nothing is left to wait for when `stage` returns."""

    def stage(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Copy the tensors for an asynchronous save; PyTorch 2.6 would leave those on the CPU as they are."""
        return {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, tensor in state_dict.items()
        }

    def synchronize_staging(self) -> None:
        """Do nothing: all is copied."""

    def close(self) -> None:
        """Do nothing: no memory is kept."""

    def give_up(self, error: BaseException) -> None:
        """Remove what was written aside."""
        self._aside.__exit__(type(error), error, error.__traceback__)

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Refuse to be chosen by a path alone."""
        return False


class Reader(StorageReader):
    """Reads a checkpoint of either kind.

    Args:
        stored: the checkpoint.
    """

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Do nothing: a reader reads one checkpoint."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Return the description of all tensors."""
        return Metadata(
            {
                name: TensorStorageMetadata(
                    TensorProperties(dtype=entry.dtype),
                    Size(entry.shape),
                    [ChunkStorageMetadata(Size(chunk.offsets), Size(chunk.sizes)) for chunk in entry.chunks],
                )
                for name, entry in self._stored.tensors.items()
            }
        )

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Accept the plan."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Accept all plans."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Read and check each part that is wanted, and copy what meets this rank's parts."""
        reader = self._stored.reader()
        for item in plan.items:
            name, offsets = item.storage_index.fqn, tuple(item.storage_index.offset or ())
            chunk = next(each for each in self._stored.tensors[name].chunks if each.offsets == offsets)
            place = planner.resolve_tensor(item)
            place.copy_(reader.chunk(name, chunk)[within(item.storage_offsets, item.lengths)])
            planner.commit_tensor(item, place)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Refuse to be chosen by a path alone."""
        return False
