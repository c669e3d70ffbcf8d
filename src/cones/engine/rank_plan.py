"""Memory of a rank: its share of the classes, what a step needs beside it, and the backbone.

P ranks, N rows of features each, M = P N rows in all, D dims, K classes, C = K / P of them on a rank, S centers each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ..margins import Margin
from .draws import BLOCK
from .planner import MEMORY_BUDGET, PROCESSOR_TILE_BYTES, Plan, per_rank
from .similarity import bends
from .tiles import BENT_COLUMNS
from .traffic import Exchange, step_traffic

FLOAT32, INT64 = 4, 8
DRAWN_AT_ONCE = 4
"""Arrays of int64 that are alive while the draws of a block of classes are made."""


@dataclass(frozen=True)
class Backbone:
    """Sizes of a backbone that every rank holds whole.

    Args:
        parameters: their number.
        activation_bytes: kept for the backward, per image, in the precision of the run.
        optimiser_arrays: arrays of the size of the parameters that the optimiser keeps: 1 for momentum, 2 for Adam.
        half: whether products run in half precision, which keeps a copy of the parameters in it during a step.
    """

    parameters: int
    activation_bytes: int
    optimiser_arrays: int = 1
    half: bool = False

    @classmethod
    def of(
        cls, net: nn.Module, input_shape: Sequence[int], optimiser_arrays: int = 1, *, half: bool = False
    ) -> "Backbone":
        """Measure a net on the meta device, which takes neither memory nor time.

        Args:
            net: built under `torch.device("meta")`; it may be cast.
            input_shape: of one input.
            optimiser_arrays, half: as above.

        Raises:
            RuntimeError: an operation of the net does not run on the meta device.

        Example:
            >>> with torch.device("meta"):
            ...     net = nn.Sequential(nn.Linear(5, 7), nn.Sigmoid())
            >>> Backbone.of(net, (5,))                                       # keeps inputs, and outputs of the sigmoid
            Backbone(parameters=42, activation_bytes=48, optimiser_arrays=1, half=False)
        """
        dtype = torch.bfloat16 if half else torch.float32
        net = net.to(dtype).train()
        two, four = (_saved_bytes(net, torch.empty(n, *input_shape, device="meta", dtype=dtype)) for n in (2, 4))
        parameters = sum(parameter.numel() for parameter in net.parameters())
        return cls(parameters, (four - two) // 2, optimiser_arrays, half)

    def memory(self, batch: int, ranks: int) -> dict[str, int]:
        """Bytes by purpose, for `batch` images on a rank; DistributedDataParallel adds one copy of the gradients."""
        arrays = 2 + self.optimiser_arrays + (ranks > 1)
        return {
            "backbone: parameters, gradients, optimiser": self.parameters * (arrays * FLOAT32 + 2 * self.half),
            "backbone: activations": self.activation_bytes * batch,
        }


def _saved_bytes(net: nn.Module, inputs: Tensor) -> int:
    """Bytes that a forward keeps for the backward, each storage once."""
    storages: dict[int, torch.UntypedStorage] = {}

    def pack(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        storages[id(storage)] = storage
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        features = net(inputs)
    held = {id(parameter.untyped_storage()) for parameter in net.parameters()}
    del features
    return sum(storage.nbytes() for number, storage in storages.items() if number not in held)


@dataclass(frozen=True)
class RankPlan:
    """A class layer whose classes are sharded over ranks, in float32 but for `compute_dtype`.

    Args:
        margin: the loss; one that modifies the non-target logits needs more memory per tile.
        num_classes: K, in all.
        dim: D.
        batch: N, rows on each rank.
        ranks: P.
        sample_rate: share of classes in a step.
        subcenters: S.
        compute_dtype: precision of the gradients' products; None for float32.
        memory_budget: bytes.
        tile_bytes: bytes of a tile.
        momentum: whether the optimiser keeps momentum for W.
        fused: whether W is updated in the backward (ClassSGD), without a stored gradient.
        backbone: its sizes, or None to leave it out.

    Example:
        >>> from cones import ArcFace
        >>> a_plan = RankPlan(ArcFace(), 1_000_000, 512, 128, ranks=8, sample_rate=0.1, fused=True)
        >>> a_plan.held, a_plan.in_step, a_plan.rows
        (125000, 12500, 1024)
        >>> a_plan.memory()["W"], a_plan.memory()["sampled rows of W"]
        (256000000, 25600000)
    """

    margin: Margin
    num_classes: int
    dim: int
    batch: int
    ranks: int = 1
    sample_rate: float = 1.0
    subcenters: int = 1
    compute_dtype: torch.dtype | None = None
    memory_budget: int = MEMORY_BUDGET
    tile_bytes: int = PROCESSOR_TILE_BYTES
    momentum: bool = True
    fused: bool = False
    backbone: Backbone | None = None

    @property
    def rows(self) -> int:
        """M."""
        return self.batch * self.ranks

    @property
    def held(self) -> int:
        """C, the largest share."""
        return -(-self.num_classes // self.ranks)

    @property
    def in_step(self) -> int:
        """Classes of this rank that take part in a step."""
        return self.held if self.sample_rate == 1 else max(1, int(self.sample_rate * self.held))

    @property
    def bends(self) -> bool:
        """True if the other classes need more than summed exponentials of their scaled similarities."""
        return bends(self.margin, self.subcenters)

    @cached_property
    def step(self) -> Plan:
        """Tiles and kept exponentials of a step."""
        return per_rank(
            self.batch, self.dim, self.num_classes, ranks=self.ranks, compute_dtype=self.compute_dtype,
            memory_budget=self.memory_budget, sample_rate=self.sample_rate, subcenters=self.subcenters,
            tile_bytes=self.tile_bytes, columns=BENT_COLUMNS if self.bends else 1,
            shares=not (self.bends or self.fused),
        )  # fmt: skip

    @property
    def operations(self) -> float:
        """Multiplications and additions of the products of a rank's step."""
        return self.step.products * 2 * self.rows * self.dim * self.in_step * self.subcenters

    def memory(self) -> dict[str, int]:
        """Bytes by purpose at the peak of a step; what is 0 is left out.

        W, C S D numbers, and as many for its momentum; the gradient, one number for each of W's that is in the step;
        with sampled classes a copy of their rows, a byte for each of the C classes, whether it is drawn, the draws of
        a block of them, and the numbers (int64) of the sampled ones; the tile at work, at most half of the budget;
        exponentials, M x C of the step as far as the budget goes, in the gradient's memory if it holds more; six
        arrays of M x D (features in their geometry, scaled, in powers of 2; own rows; pull; gradient) and four of C;
        features on their way to and from the other ranks, M x (D + 1), three times in all.
        """
        row = self.dim * self.subcenters * FLOAT32
        whole, in_step = self.held * row, self.in_step * row
        sampled = self.sample_rate < 1
        parts = {
            "W": whole,
            "momentum of W": whole * self.momentum,
            "gradient of W": 0 if self.fused else in_step,
            "sampled rows of W": in_step * sampled,
            "drawing of the sampled classes": (
                self.held + DRAWN_AT_ONCE * INT64 * min(self.held, BLOCK) + 2 * self.in_step * INT64
            )
            * sampled,
            "tile at work": self.step.tile_bytes,
            "exponentials kept for the backward": self.step.kept_bytes,
            "arrays of M x D and of C": FLOAT32 * (6 * self.rows * self.dim + 4 * self.in_step * self.subcenters),
            "features of all ranks": 3 * FLOAT32 * self.rows * (self.dim + 1) * (self.ranks > 1),
        }
        if self.backbone is not None:
            parts |= self.backbone.memory(self.batch, self.ranks)
        return {name: size for name, size in parts.items() if size}

    def traffic(self, *, bias: bool = False) -> list[Exchange]:
        """The collectives of a step, of the head and then of the backbone's gradients."""
        exchanges = step_traffic(
            self.margin, [self.batch] * self.ranks, self.dim, subcenters=self.subcenters, bias=bias
        )
        if self.backbone is not None and self.ranks > 1:
            size = self.backbone.parameters * FLOAT32
            exchanges.append(Exchange("gradients of the backbone", "all-reduce", size))
        return exchanges
