"""`cones plan`: memory and products of a class layer, before a run."""

from dataclasses import dataclass
from typing import Literal

from rich.table import Column, Table

from .terminal import Console
from .usage import UsageError


@dataclass(frozen=True)
class Plan:
    """Estimate the memory and work of a class layer before a run, for each rank.

    Args:
        classes: total number of classes K
        dim: dimension D of the features
        batch: rows per rank
        ranks: processes over which the classes are sharded; every rank sees the rows of all ranks
        precision: precision of the matrix products of the gradients; everything else is float32
        memory_budget: memory in MiB for tiles and stored exponentials
        momentum: the optimiser keeps momentum for W
        fused: W is updated inside the backward (ClassSGD), without a stored gradient
        traceback: show the full traceback of an error
    """

    classes: int
    dim: int
    batch: int
    ranks: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    memory_budget: int = 256
    momentum: bool = True
    fused: bool = False
    traceback: bool = False

    def execute(self) -> int:
        """Print the memory per rank."""
        for name in ("classes", "dim", "batch", "ranks", "memory_budget"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected at least 1")
        import torch

        from ..engine.planner import per_rank

        if self.precision == "bfloat16":
            from ..engine.processor import warn_if_slow

            warn_if_slow(self.dim, self.classes, instead="--precision float32")

        step = per_rank(
            self.batch,
            self.dim,
            self.classes,
            ranks=self.ranks,
            compute_dtype=torch.bfloat16 if self.precision == "bfloat16" else None,
            memory_budget=self.memory_budget * 2**20,
        )
        table = Table("on each rank", Column("MiB", justify="right"), title=str(step), title_justify="left")
        parts = step.memory(gradient=not self.fused, momentum=self.momentum)
        for name, size in parts.items():
            table.add_row(name, f"{size / 2**20:,.1f}")
        table.add_row("together", f"{sum(parts.values()) / 2**20:,.1f}", style="bold")
        table.add_row(
            "the logits of all classes, which are never made", f"{step.logits_bytes / 2**20:,.1f}", style="dim"
        )
        Console(soft_wrap=True, highlight=False, emoji=False).print(table)
        return 0
