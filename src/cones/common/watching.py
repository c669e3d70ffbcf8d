"""Warnings of what training does not change: a weight without an optimiser, centers that are not updated.

Time is counted in optimiser steps, of any optimiser of PyTorch: one step may take any number of backward passes, and
a GradScaler may skip it.
"""

import math
import warnings
import weakref
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Optimizer, SparseAdam
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

PATIENCE = 50
"""Optimiser steps without a change after which a user is warned."""

_steps_of_all = 0
_sparse: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()
"""Weights of heads whose gradient is sparse, by their id."""


def _count(*_: Any) -> None:
    global _steps_of_all
    _steps_of_all += 1


def _refuse_sparse(optimizer: Optimizer, *_: Any) -> None:
    """Refuse optimisers that cannot take a sparse gradient, before they fail, and name those that can."""
    if torch.compiler.is_compiling() or not _sparse or not type(optimizer).__module__.startswith("torch.optim"):
        return
    for group in optimizer.param_groups:
        decay, fused = group.get("weight_decay", 0), group.get("fused")
        plain = isinstance(optimizer, SGD | Adagrad) and not decay and not fused
        if isinstance(optimizer, SparseAdam) or plain:
            continue
        if any(id(p) in _sparse and p.grad is not None and p.grad.is_sparse for p in group["params"]):
            setting = " with weight_decay" if decay else " with fused=True" if fused else ""
            raise RuntimeError(
                f"{type(optimizer).__name__}{setting} cannot take the sparse gradient of a head with sample_rate below "
                f"1: use cones.ClassSGD(head, lr, momentum=..., weight_decay=...) for head.weight, or torch.optim.SGD "
                f"with weight_decay=0"
            )


register_optimizer_step_post_hook(_count)
register_optimizer_step_pre_hook(_refuse_sparse)


class Steps:
    """Counts the passes after a new step of any optimiser."""

    def __init__(self) -> None:
        self.count = 0
        self._seen = _steps_of_all

    def look(self) -> int:
        """The number of such passes, this one included."""
        if self._seen != _steps_of_all:
            self._seen = _steps_of_all
            self.count += 1
        return self.count


class WeightWatch:
    """Warns once if optimisers step but a weight does not change.

    The row of the largest gradient is compared with itself after PATIENCE steps. Its numbers, not the tensor's version:
    fused optimisers and updates through `.data` leave the version as it was.
    """

    def __init__(self) -> None:
        self._steps = Steps()
        self._row: int | None = None
        self._numbers: Tensor | None = None
        self._warned = False
        self._attached: weakref.ref[Tensor] | None = None

    def attach(self, weight: Tensor) -> None:
        """Look at a weight after each backward pass that reaches it, and at no other from now on."""
        if not self.has(weight):
            self._attached, self._numbers = weakref.ref(weight), None
            weight.register_post_accumulate_grad_hook(self._look)

    def has(self, weight: Tensor) -> bool:
        """Tell whether a weight is the one that is watched."""
        return self._attached is not None and self._attached() is weight

    @torch.no_grad()
    def _look(self, weight: Tensor) -> None:
        if weight.grad is not None and weight.grad.is_sparse:
            _sparse[id(weight)] = weight
        if self._warned or type(weight.grad) is not Tensor:  # a DTensor's rows are elsewhere
            return
        if self._numbers is None:
            self._row, self._steps = _row_of_largest(weight.grad), Steps()
            self._numbers = None if self._row is None else weight[self._row].clone()
        elif self._steps.look() >= PATIENCE:
            row, before, self._numbers = self._row, self._numbers, None
            now = weight[row] if row is not None and row < len(weight) else None
            if now is not None and torch.equal(now, before.to(now)):
                self._warned = True
                warnings.warn(
                    f"the head's weight has not changed in {PATIENCE} optimiser steps: is it in an optimiser? "
                    f"Pass [*backbone.parameters(), *head.parameters()]; a weight that is to stay as it is has "
                    f"head.weight.requires_grad_(False)",
                    stacklevel=2,
                )


def _row_of_largest(gradient: Tensor) -> int | None:
    """The row of a (K, D) gradient, dense or sparse, with its largest number; None where it is 0 throughout."""
    rows = None
    if gradient.is_sparse:
        gradient, rows = gradient._values(), gradient._indices()[0]
    if gradient.numel() == 0:
        return None
    largest, place = torch.linalg.vector_norm(gradient, math.inf, dim=1).max(dim=0)
    if not float(largest) > 0:  # NaN too: a row that is skipped says nothing
        return None
    return int(place if rows is None else rows[place])


class UpdateWatch:
    """Warns once if a loss is trained on but its own `update` is never called."""

    def __init__(self, name: str, consequence: str) -> None:
        self._name, self._consequence = name, consequence
        self._steps = Steps()
        self._done = False

    def updated(self) -> None:
        """Stop watching, as `update` was called."""
        self._done = True

    def look(self, features: Tensor, moved: Tensor) -> None:
        """Count a training pass over features that require a gradient.

        Args:
            features: (N, D) of the pass.
            moved: what `update` moves, all 0 before its first call; a state may have been loaded into it.
        """
        if self._done or torch.compiler.is_compiling() or not (features.requires_grad and torch.is_grad_enabled()):
            return
        if self._steps.look() >= PATIENCE:
            self._done = True
            if not bool(moved.any()):
                warnings.warn(
                    f"{self._name}.update was not called in {PATIENCE} optimiser steps: {self._consequence}. Call "
                    f"loss.update(features.detach(), labels) after each backward",
                    stacklevel=4,
                )
