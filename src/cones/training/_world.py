"""The processes that train one run together.

P ranks; of a batch of N rows rank r has n_r, in the order of the ranks.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from ..common.all_ranks import stacked
from ..engine.ranks import Group, differences
from ._errors import TrainingError
from ._stop import Stop

T = TypeVar("T")


class World(NamedTuple):
    """This process among those that train together; one alone without a group.

    Attributes:
        group: torch.distributed process group, or None.
        rank: of this process.
        size: P.
    """

    group: Group = None
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this rank writes files and speaks."""
        return self.rank == 0

    def rows(self, num_rows: int) -> slice:
        """This rank's rows of a batch of N: shares as even as can be, the first ones larger."""
        share, more = divmod(num_rows, self.size)
        start = self.rank * share + min(self.rank, more)
        return slice(start, start + share + (self.rank < more))

    def sum(self, x: Tensor) -> Tensor:
        """The sum of x over the ranks, the same on each to the last bit; not differentiable."""
        return x if self.group is None else stacked(x, self.group).sum(dim=0)

    def same(self, value: T) -> T:
        """The value of rank 0, on every rank."""
        if self.group is None:
            return value
        shared: list[Any] = [value]
        dist.broadcast_object_list(shared, group=self.group, group_src=0)
        return cast(T, shared[0])

    def one_first(self, read: Callable[[], T]) -> T:
        """What `read` returns, called on rank 0 before the others, so that files are fetched once."""
        found = read() if self.leads else None
        self.wait()
        return read() if found is None else found

    def wait(self) -> None:
        """Return when all ranks have called this."""
        if self.group is not None:
            dist.barrier(self.group)

    def share(self, stop: Stop, device: torch.device) -> None:
        """Let a request to stop on any rank be one on all, after the same step."""
        if self.group is None:
            return
        code = 0 if not stop.requested else 1 if stop.signal is None else 1 + int(stop.signal)
        largest = int(stacked(torch.tensor(code, device=device), self.group).max())
        if largest and not stop.requested:
            stop.request(largest - 1 or None)

    def agree(self, settings: Mapping[str, Any]) -> None:
        """Check that all ranks have the same settings.

        Raises:
            TrainingError: they do not, on every rank; the error names the settings, ranks and values.
        """
        differing = "" if self.group is None else differences(settings, self.group)
        if differing:
            raise TrainingError(f"the ranks disagree: {differing}: start the same run on each")


ALONE = World()


def world_of(group: Group) -> World:
    """This process among those of a group; None for one process alone."""
    return ALONE if group is None else World(group, dist.get_rank(group), dist.get_world_size(group))
