"""Plan of a step: tiles of classes, and exponentials kept for the backward."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

__all__ = ["MEMORY_BUDGET", "Plan", "per_rank", "plan"]

MEMORY_BUDGET = 2**28
"""Bytes that the engine may allocate beyond its inputs, its result and the gradients: 256 MiB."""

TILE_BYTES_PER_THREAD = 2**20
"""A second-level cache, 1 MiB on most processors."""

PROCESSOR_TILE_BYTES = TILE_BYTES_PER_THREAD * torch.get_num_threads()
"""A tile on a processor: a second-level cache for each thread at the time of import."""

ACCELERATOR_TILE_BYTES = 2**26
"""A tile on an accelerator is bounded by what keeps its cores busy rather than by a cache: 64 MiB."""

ROUND = 64
"""Tiles hold a multiple of this many classes, if they hold that many: a size that matmul kernels prefer."""


@dataclass(frozen=True)
class Plan:
    """The plan of a step over N rows and K classes in D dims.

    Attributes:
        num_rows: N.
        dim: D.
        num_classes: K.
        tile: classes per tile.
        kept: classes whose exponentials are kept for the backward; the others are recomputed.
        itemsize: bytes of a number in the working precision.
        compute_dtype: precision of the gradients' products; None for the working precision.
        columns: arrays of (N, C) that are alive at once while a tile is processed.
        shared: whether exponentials are kept in the memory of the gradient of W, which is written after them.
    """

    num_rows: int
    dim: int
    num_classes: int
    tile: int
    kept: int
    itemsize: int
    compute_dtype: torch.dtype | None
    columns: int
    shared: bool = False

    def tiles(self) -> Iterator[tuple[int, int]]:
        """(start, stop) of each tile."""
        for start in range(0, self.num_classes, self.tile):
            yield start, min(start + self.tile, self.num_classes)

    @property
    def compute_itemsize(self) -> int:
        """Bytes of a number in the products of the gradients."""
        return itemsize_of(self.compute_dtype, self.itemsize)

    @property
    def num_tiles(self) -> int:
        """T."""
        return -(-self.num_classes // self.tile)

    @property
    def products(self) -> float:
        """Products of N x K x D in a forward and a backward: 3 with everything kept, 4 with nothing."""
        return 4 - self.kept / self.num_classes

    @property
    def tile_bytes(self) -> int:
        """Bytes of workspace while a tile is processed."""
        return self.tile * bytes_per_class(self.num_rows, self.dim, self.itemsize, self.compute_itemsize, self.columns)

    @property
    def kept_bytes(self) -> int:
        """Bytes of exponentials kept for the backward."""
        return 0 if self.shared else self.kept * self.num_rows * self.compute_itemsize

    @property
    def stride(self) -> int:
        """Numbers from the kept exponentials of one class to those of the next."""
        in_gradient = self.dim * self.itemsize // self.compute_itemsize
        return max(self.num_rows, in_gradient) if self.shared else self.num_rows

    @property
    def vector_bytes(self) -> int:
        """Bytes of N x D and K arrays, outside of the budget: scaled features, own rows, their gradients, norms."""
        return self.itemsize * (6 * self.num_rows * self.dim + 4 * self.num_classes)

    @property
    def weight_bytes(self) -> int:
        """Bytes of W; its gradient and its momentum take as many each."""
        return self.num_classes * self.dim * self.itemsize

    @property
    def logits_bytes(self) -> int:
        """Bytes that the (N, K) logits would take, which are never formed."""
        return self.num_rows * self.num_classes * self.itemsize

    @property
    def operations(self) -> float:
        """Multiplications and additions of the products of a forward and a backward."""
        return self.products * 2 * self.num_rows * self.dim * self.num_classes

    def memory(self, *, gradient: bool = True, momentum: bool = False) -> dict[str, int]:
        """Bytes by purpose, W, its gradient and its momentum included."""
        parts = {"W": self.weight_bytes}
        if gradient:
            parts["gradient of W"] = self.weight_bytes
        if momentum:
            parts["momentum of W"] = self.weight_bytes
        return parts | {
            "tile at work": self.tile_bytes,
            "exponentials kept for the backward": self.kept_bytes,
            "arrays of N x D and of K": self.vector_bytes,
        }

    def __str__(self) -> str:
        return (
            f"{self.num_rows:,} rows, {self.dim:,} dims, {self.num_classes:,} classes in {self.num_tiles:,} tiles of "
            f"{self.tile:,}; exponentials of {self.kept:,} classes kept: {self.products:.2f} products, "
            f"{self.operations / 1e12:.2f} T operations a step"
        )


def itemsize_of(compute_dtype: torch.dtype | None, itemsize: int) -> int:
    """Bytes of a number in the products of the gradients; `itemsize` are those of the working precision."""
    return itemsize if compute_dtype is None else compute_dtype.itemsize


def bytes_per_class(num_rows: int, dim: int, itemsize: int, compute_itemsize: int, columns: int = 1) -> int:
    """Bytes of workspace per class of a tile.

    One or more columns of logits, and two that matmul kernels copy; five rows of D: the unit weight, its gradient,
    their product, and two copies; with another dtype for the gradients' products one column and two rows more.
    """
    copies = 0 if compute_itemsize == itemsize else compute_itemsize
    return num_rows * ((columns + 2) * itemsize + copies) + dim * (5 * itemsize + 2 * copies)


def plan(
    num_rows: int,
    dim: int,
    num_classes: int,
    *,
    itemsize: int = 4,
    compute_dtype: torch.dtype | None = None,
    memory_budget: int = MEMORY_BUDGET,
    tile_bytes: int = 2**21,
    columns: int = 1,
    shares: bool = False,
) -> Plan:
    """Choose the tile size, and the classes whose exponentials are kept, from sizes alone.

    The logits of a tile, and its rows of W, take at most tile_bytes; the workspace of a tile takes at most half of the
    budget; the remaining budget keeps exponentials.

    Args:
        num_rows: N, may be 0.
        dim: D.
        num_classes: K.
        itemsize: bytes of a number in the working precision.
        compute_dtype: precision of the gradients' products; None for the working precision.
        memory_budget: bytes; tiles hold one class at least, whatever the budget.
        tile_bytes: bytes of a tile, see `tile_bytes_of`.
        columns: arrays of (N, C) that are alive at once.
        shares: whether exponentials may be kept in the memory of the gradient of W: tile by tile, the backward reads
            them and then overwrites them with the gradient.

    Returns:
        A Plan.

    Example:
        >>> a_plan = plan(512, 512, 100_000)
        >>> a_plan.tile, a_plan.kept, a_plan.products
        (1024, 100000, 3.0)
        >>> round(plan(512, 512, 100_000, memory_budget=2**26).products, 2)
        3.75
        >>> plan(512, 512, 100_000, memory_budget=2**26, shares=True).products
        3.0
    """
    compute_itemsize = itemsize_of(compute_dtype, itemsize)
    per_class = bytes_per_class(num_rows, dim, itemsize, compute_itemsize, columns)
    widest = num_rows if num_rows > dim else dim
    tile = min(tile_bytes // (itemsize * widest), memory_budget // 2 // per_class)
    tile = max(1, tile - tile % ROUND if tile > ROUND else tile)
    tile = max(1, min(tile, num_classes))  # a rank may hold none of a step's sampled classes
    affordable = (memory_budget - tile * per_class) // (compute_itemsize * max(num_rows, 1))
    kept = _whole_tiles(affordable, tile, num_classes)
    in_gradient = num_classes * dim * itemsize // (max(num_rows * compute_itemsize, dim * itemsize))
    shared = shares and _whole_tiles(in_gradient, tile, num_classes) >= kept
    kept = _whole_tiles(in_gradient, tile, num_classes) if shared else kept
    return Plan(num_rows, dim, num_classes, tile, kept, itemsize, compute_dtype, columns, shared)


def _whole_tiles(classes: int, tile: int, num_classes: int) -> int:
    """The number of classes that fill whole tiles, or all."""
    return num_classes if classes >= num_classes else max(0, classes - classes % tile)


def tile_bytes_of(device: torch.device) -> int:
    """Bytes of a tile of logits on a device: what its caches hold, or enough to keep it busy."""
    return PROCESSOR_TILE_BYTES if device.type == "cpu" else ACCELERATOR_TILE_BYTES


def per_rank(
    batch: int,
    dim: int,
    num_classes: int,
    *,
    ranks: int = 1,
    sample_rate: float = 1.0,
    subcenters: int = 1,
    compute_dtype: torch.dtype | None = None,
    memory_budget: int = MEMORY_BUDGET,
    tile_bytes: int = PROCESSOR_TILE_BYTES,
    columns: int = 1,
    shares: bool = False,
) -> Plan:
    """Plan the step of a rank, which holds a share of the classes and sees the rows of all ranks.

    Args:
        batch: rows on each rank.
        dim: D.
        num_classes: K, in all.
        ranks: number of ranks that share the classes.
        sample_rate: share of classes in a step.
        subcenters: S, centers per class.
        compute_dtype: precision of the gradients' products; all else is float32, and these for None.
        memory_budget: bytes.
        tile_bytes, columns, shares: as `plan` takes them.

    Returns:
        A Plan over batch * ranks * S rows, D * S dims and the largest share of classes: the centers of a class are
        the columns and rows of one tile together.

    Example:
        >>> per_rank(512, 512, 1_000_000, ranks=8).num_classes
        125000
    """
    share = -(-num_classes // ranks)
    return plan(
        batch * ranks * subcenters,
        dim * subcenters,
        share if sample_rate == 1 else max(1, int(sample_rate * share)),
        compute_dtype=compute_dtype,
        memory_budget=memory_budget,
        tile_bytes=tile_bytes,
        columns=columns,
        shares=shares,
    )
