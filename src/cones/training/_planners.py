"""Plans of torch.distributed.checkpoint for what each rank writes and reads."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.metadata import (
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import (
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    SavePlanner,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list

from ._pieces import Piece
from .stored_checkpoint import covers, within


class Saving(SavePlanner):
    """Plan of a save: each rank writes its own parts, rank 0 what is the same on every rank.

    Args:
        pieces: of this rank, by name.
    """

    def __init__(self, pieces: Mapping[str, Piece]) -> None:
        self._pieces = pieces
        self._tensors: dict[str, Tensor] = {}
        self._first = False

    def set_up_planner(
        self, state_dict: dict[str, Any], storage_meta: StorageMeta | None = None, is_coordinator: bool = False
    ) -> None:
        """Take the tensors, which an asynchronous save has copied by now."""
        self._tensors, self._first = state_dict, is_coordinator

    def create_local_plan(self) -> SavePlan:
        """List the parts that this rank could write."""
        return SavePlan(
            [
                _write_item(name, piece)
                for name, piece in self._pieces.items()
                if (self._first or not piece.replicated) and (piece.tensor.numel() or not math.prod(piece.shape))
            ]
        )

    def create_global_plan(self, all_plans: list[SavePlan]) -> tuple[list[SavePlan], Metadata]:
        """Leave each part to the first rank that has it, and check that they are all there."""
        taken: dict[str, dict[torch.Size | None, TensorWriteData]] = defaultdict(dict)
        plans = []
        for rank, plan in enumerate(all_plans):
            own = []
            for item in plan.items:
                data = item.tensor_data
                assert data is not None
                others = taken[item.index.fqn]
                first = next(iter(others.values()), data)
                if (first.size, first.properties.dtype) != (data.size, data.properties.dtype):
                    raise ValueError(
                        f"{item.index.fqn} is {tuple(data.size)} {data.properties.dtype} on rank {rank}, elsewhere "
                        f"{tuple(first.size)} {first.properties.dtype}: build the same model on each rank"
                    )
                if item.index.offset not in others:
                    others[item.index.offset] = data
                    own.append(item)
            plans.append(replace(plan, items=own))
        for name, parts in taken.items():
            if not covers(next(iter(parts.values())).size, [data.chunk.sizes for data in parts.values()]):
                raise ValueError(f"no rank has all of {name}: pass the optimisers and the model of each rank")
        return plans, Metadata(
            {
                name: TensorStorageMetadata(
                    next(iter(parts.values())).properties,
                    next(iter(parts.values())).size,
                    [data.chunk for data in parts.values()],
                )
                for name, parts in taken.items()
            }
        )

    def finish_plan(self, new_plan: SavePlan) -> SavePlan:
        """Accept the plan."""
        return new_plan

    def resolve_data(self, write_item: WriteItem) -> Tensor | BytesIO:
        """Return the part."""
        return self._tensors[write_item.index.fqn].detach()


def _write_item(name: str, piece: Piece) -> WriteItem:
    data = TensorWriteData(piece.chunk, TensorProperties(dtype=piece.tensor.dtype), torch.Size(piece.shape))
    return WriteItem(MetadataIndex(name, piece.offsets), WriteItemType.SHARD, tensor_data=data)


class Loading(LoadPlanner):
    """Plan of a load: each rank reads where its parts meet those that were written.

    Args:
        pieces: of this rank, by name; their tensors are filled.
    """

    def __init__(self, pieces: Mapping[str, Piece]) -> None:
        self._pieces = pieces
        self._metadata: Metadata | None = None

    def set_up_planner(
        self, state_dict: dict[str, Any], metadata: Metadata | None = None, is_coordinator: bool = False
    ) -> None:
        """Take the description of the checkpoint."""
        self._metadata = metadata

    def create_local_plan(self) -> LoadPlan:
        """List what to read."""
        assert self._metadata is not None
        items: list[ReadItem] = []
        for name, piece in self._pieces.items():
            entry = self._metadata.state_dict_metadata[name]
            assert isinstance(entry, TensorStorageMetadata)
            if piece.tensor.numel():
                items += create_read_items_for_chunk_list(name, entry, [piece.chunk])
        return LoadPlan(items)

    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        """Accept all plans."""
        return global_plan

    def finish_plan(self, central_plan: LoadPlan) -> LoadPlan:
        """Accept the plan."""
        return central_plan

    def load_bytes(self, read_item: ReadItem, value: BytesIO) -> None:
        """Refuse what is not a tensor: the plans above ask for tensors alone, and pickled bytes are never read."""
        raise ValueError(
            f"{read_item.dest_index.fqn} is not a tensor: a checkpoint of this trainer holds tensors and JSON alone"
        )

    def resolve_tensor(self, read_item: ReadItem) -> Tensor:
        """Return the place for what is read."""
        return self._pieces[read_item.dest_index.fqn].tensor[within(read_item.dest_offsets, read_item.lengths)]

    def commit_tensor(self, read_item: ReadItem, tensor: Tensor) -> None:
        """Do nothing: the place was filled."""
