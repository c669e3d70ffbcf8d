"""SGD for class weights, inside the backward: W moves a tile at a time and no gradient of W ever exists."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .head import Head


class ClassSGD(torch.optim.Optimizer):
    """SGD with momentum and weight decay that moves a head's W while the backward runs, tile by tile.

        d = g + weight_decay * w        b <- momentum * b + d        w <- w - lr * b

    and with nesterov w <- w - lr * (d + momentum * b).

    The same as `torch.optim.SGD([head.weight], ...)`, to rounding, without the (K, D) gradient. The backward is the
    update: `step()` only says that the next backward may come, so call it once after each, as always, and `zero_grad`
    is not needed. What needs the whole gradient cannot be had: adding up several backward passes, clipping by the norm
    of W's gradient, a GradScaler.

    Where the head samples its classes (`sample_rate` below 1) only the rows sampled are touched: those of the others,
    and their momentum, stay exactly as they are; they neither decay nor drift.

    Args:
        head: whose weight it moves; it finds its way into `head.update`. A bias or a learnt scale are ordinary
            parameters, for an ordinary optimiser.
        lr: learning rate, at least 0; schedulers of torch may change it, `param_groups` has it.
        momentum: 0 keeps no second (K, D) array.
        weight_decay: L2, at least 0.
        nesterov: whether the momentum looks ahead.

    Raises:
        TypeError: head is no Head.
        ValueError: a number is out of range, or the head has such an optimiser already.
        RuntimeError: in a backward, if `step()` was not called since the last one.

    Source: Sutskever et al. 2013, in the form of torch.optim.SGD.

    Example:
        >>> from cones import ArcFace
        >>> head = Head(4, 10, ArcFace(margin=0.2, scale=16.0))
        >>> optimizer = ClassSGD(head, lr=0.1, momentum=0.9)
        >>> head(torch.randn(3, 4), torch.tensor([0, 9, 4])).backward()
        >>> optimizer.step()
        >>> head.weight.grad is None
        True
    """

    def __init__(
        self, head: Head, lr: float, *, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False
    ) -> None:
        if not isinstance(head, Head):
            raise TypeError(f"head is {type(head).__name__}, expected a cones.Head")
        for name, number in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            if number < 0:
                raise ValueError(f"{name} is {number}, expected at least 0")
        if nesterov and momentum == 0:
            raise ValueError("nesterov is True but momentum is 0: pass a momentum, or nesterov=False")
        if head.update is not None:
            raise ValueError("head has an update already: one ClassSGD a head")
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__([head.weight], defaults)
        self._waiting = False
        head.update = self._begin

    def _begin(self) -> Callable[[Tensor | slice, Tensor], None]:
        """Called as a backward begins; returns what moves rows of W by their gradient."""
        if self._waiting:
            raise RuntimeError(
                "a second backward before ClassSGD.step(): W moves in the backward, so gradients cannot be added up; "
                "call step() after each backward"
            )
        self._waiting = True
        return self._move

    @torch.no_grad()
    def _move(self, rows: Tensor | slice, gradient: Tensor) -> None:
        """Move the rows (C,) of W by their gradient (C, D), which is used up."""
        (group,) = self.param_groups
        (weight,) = group["params"]
        momentum: float = group["momentum"]
        old = weight[rows]
        if group["weight_decay"]:
            gradient.add_(old, alpha=group["weight_decay"])
        if momentum:
            state = self.state[weight]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(weight)
            buffer = state["momentum_buffer"]
            moving = buffer[rows].mul_(momentum).add_(gradient)
            gradient = gradient.add_(moving, alpha=momentum) if group["nesterov"] else moving
            if not isinstance(rows, slice):  # a slice is a view, indexing by numbers made a copy
                buffer[rows] = moving
        if isinstance(rows, slice):
            old.sub_(gradient, alpha=group["lr"])
        else:
            weight[rows] = old.sub_(gradient, alpha=group["lr"])

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Say that the backward is over; W has moved already.

        Raises:
            ValueError: a closure was passed; it would run a second backward.
        """
        if closure is not None:
            raise ValueError("closure is given, but W moves in the backward: call step() without one")
        self._waiting = False
