"""How the engine cuts the classes into tiles, and what it keeps for the backward."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

__all__ = ["MEMORY_BUDGET", "Plan", "per_rank", "plan"]

MEMORY_BUDGET = 2**28
"""Bytes that the engine may hold beyond its inputs, its result and the gradients: 256 MiB."""

PROCESSOR_TILE_BYTES = 2**20 * torch.get_num_threads()
"""A tile on a processor: a second-level cache, 1 MiB on most, for each thread that there was at the start."""

ACCELERATOR_TILE_BYTES = 2**26
"""A tile on an accelerator is bounded by what keeps its cores busy rather than by a cache: 64 MiB."""

ROUND = 64
"""Tiles are cut at multiples of this many classes, where there are so many: what the product's kernels like."""


@dataclass(frozen=True)
class Plan:
    """A step of the engine over N rows and K classes in D dims, before it runs.

    Attributes:
        num_rows: N.
        dim: D.
        num_classes: K.
        tile: classes a tile.
        kept: classes whose exponentials are kept for the backward; those of the others are computed again.
        itemsize: bytes of a number in the working precision.
        low_itemsize: bytes of a number in the precision of the gradient's products.
        columns: arrays of (N, C) that live at once while a tile is worked on.
        shared: whether kept exponentials lie in the memory of the gradient of W, which is not needed before them.
    """

    num_rows: int
    dim: int
    num_classes: int
    tile: int
    kept: int
    itemsize: int
    low_itemsize: int
    columns: int
    shared: bool = False

    def tiles(self) -> Iterator[tuple[int, int]]:
        """(start, stop) of each tile."""
        for start in range(0, self.num_classes, self.tile):
            yield start, min(start + self.tile, self.num_classes)

    @property
    def num_tiles(self) -> int:
        """T."""
        return -(-self.num_classes // self.tile)

    @property
    def products(self) -> float:
        """Products of N x K x D that a forward and a backward need: 3 with everything kept, 4 with nothing."""
        return 4 - self.kept / self.num_classes

    @property
    def tile_bytes(self) -> int:
        """What lives while a tile is worked on."""
        return self.tile * bytes_per_class(self.num_rows, self.dim, self.itemsize, self.low_itemsize, self.columns)

    @property
    def kept_bytes(self) -> int:
        """Exponentials that wait for the backward."""
        return 0 if self.shared else self.kept * self.num_rows * self.low_itemsize

    @property
    def stride(self) -> int:
        """Numbers from the kept exponentials of one class to those of the next."""
        in_gradient = self.dim * self.itemsize // self.low_itemsize
        return max(self.num_rows, in_gradient) if self.shared else self.num_rows

    @property
    def vector_bytes(self) -> int:
        """Arrays of N x D and of K, which no budget bounds: scaled features, own rows, their gradients, norms."""
        return self.itemsize * (6 * self.num_rows * self.dim + 4 * self.num_classes)

    @property
    def weight_bytes(self) -> int:
        """W, and as much again for its gradient, and for its momentum."""
        return self.num_classes * self.dim * self.itemsize

    @property
    def logits_bytes(self) -> int:
        """What the (N, K) logits would take, which are never made."""
        return self.num_rows * self.num_classes * self.itemsize

    @property
    def operations(self) -> float:
        """Multiplications and additions of the products of a forward and a backward."""
        return self.products * 2 * self.num_rows * self.dim * self.num_classes

    def memory(self, *, gradient: bool = True, momentum: bool = False) -> dict[str, int]:
        """Bytes by what they are for, W and its companions included."""
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


def bytes_per_class(num_rows: int, dim: int, itemsize: int, low_itemsize: int, columns: int = 1) -> int:
    """Bytes of workspace for each class of a tile.

    Columns of logits, one or more, and two that the products' kernels copy; five rows of D: the unit weight, its
    gradient, their product, and two copies; with a lower precision for the gradient's products one column and two rows
    more.
    """
    low = 0 if low_itemsize == itemsize else low_itemsize
    return num_rows * ((columns + 2) * itemsize + low) + dim * (5 * itemsize + 2 * low)


def plan(
    num_rows: int,
    dim: int,
    num_classes: int,
    *,
    itemsize: int = 4,
    low_itemsize: int | None = None,
    memory_budget: int = MEMORY_BUDGET,
    tile_bytes: int = 2**21,
    columns: int = 1,
    shares: bool = False,
) -> Plan:
    """Tile size and what to keep, from sizes alone.

    A tile's logits, and its rows of W, take at most tile_bytes; the workspace of a tile takes at most half of the
    budget; what is left of the budget keeps exponentials.

    Args:
        num_rows: N, may be 0.
        dim: D.
        num_classes: K.
        itemsize: bytes of a number in the working precision.
        low_itemsize: the same for the products of the gradients, None for the working precision.
        memory_budget: bytes; below what one class needs, tiles hold one class.
        tile_bytes: what stays near the processor, see `tile_bytes_of`.
        columns: arrays of (N, C) that live at once.
        shares: whether exponentials may be kept in the memory of the gradient of W. Tile after tile the backward reads
            them and writes the gradient over what it has read.

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
    low_itemsize = itemsize if low_itemsize is None else low_itemsize
    per_class = bytes_per_class(num_rows, dim, itemsize, low_itemsize, columns)
    widest = num_rows if num_rows > dim else dim
    tile = min(tile_bytes // (itemsize * widest), memory_budget // 2 // per_class)
    tile = max(1, tile - tile % ROUND if tile > ROUND else tile)
    tile = min(tile, num_classes)
    affordable = (memory_budget - tile * per_class) // (low_itemsize * max(num_rows, 1))
    kept = _whole_tiles(affordable, tile, num_classes)
    in_gradient = num_classes * dim * itemsize // (max(num_rows * low_itemsize, dim * itemsize))
    shared = shares and _whole_tiles(in_gradient, tile, num_classes) >= kept
    kept = _whole_tiles(in_gradient, tile, num_classes) if shared else kept
    return Plan(num_rows, dim, num_classes, tile, kept, itemsize, low_itemsize, columns, shared)


def _whole_tiles(classes: int, tile: int, num_classes: int) -> int:
    """As many of the classes as fill whole tiles, or all."""
    return num_classes if classes >= num_classes else max(0, classes - classes % tile)


def tile_bytes_of(device: torch.device) -> int:
    """What a tile of logits should take on a device: what its caches hold, or enough to keep it busy."""
    return PROCESSOR_TILE_BYTES if device.type == "cpu" else ACCELERATOR_TILE_BYTES


def per_rank(
    batch: int,
    dim: int,
    num_classes: int,
    *,
    ranks: int = 1,
    low_itemsize: int = 4,
    memory_budget: int = MEMORY_BUDGET,
) -> Plan:
    """The plan of a rank that holds its share of the classes and sees the rows of all ranks.

    Args:
        batch: rows on each rank.
        dim: D.
        num_classes: K, in all.
        ranks: how many share the classes.
        low_itemsize: bytes of a number in the products of the gradients; all else is float32.
        memory_budget: bytes.

    Returns:
        A Plan over batch * ranks rows and the largest share of classes.

    Example:
        >>> per_rank(512, 512, 1_000_000, ranks=8).num_classes
        125000
    """
    share = -(-num_classes // ranks)
    return plan(
        batch * ranks,
        dim,
        share,
        low_itemsize=low_itemsize,
        memory_budget=memory_budget,
        tile_bytes=PROCESSOR_TILE_BYTES,
    )
