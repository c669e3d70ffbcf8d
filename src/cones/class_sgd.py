"""SGD for class weights in the backward: W moves tile by tile, and its gradient never exists as a whole."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor

from .common.checks import check_not_negative
from .head import Head

__all__ = ["ClassSGD"]

FAR_FROM_ONE = 1000.0
"""Size of the loss's upstream gradient, or its inverse, beyond which it must come from a GradScaler."""


class ClassSGD(torch.optim.Optimizer):
    """SGD with momentum and weight decay that moves a head's W during the backward, tile by tile.

        d = g + weight_decay * w        b <- momentum * b + d        w <- w - lr * b

    and with nesterov w <- w - lr * (d + momentum * b).

    Equals `torch.optim.SGD([head.weight], ...)` to rounding, without the (K, D) gradient. The backward is the update:
    `step()` only allows the next backward, so call it once after each, as always; `zero_grad` is not needed. Whatever
    needs the whole gradient is not available: accumulation over several backward passes, clipping by the norm of W's
    gradient. A GradScaler is passed to the constructor, and steps this optimiser as any other: W moves by the unscaled
    gradient, and stays, with its momentum, where the loss or its upstream gradient is not finite.

    Where the head samples its classes (`sample_rate` below 1) only the sampled rows change: the others, and their
    momentum, stay exactly as they are; they neither decay nor drift.

    Args:
        head: whose weight it moves; the optimiser sets `head.update` to itself. A bias or a learnt scale are ordinary
            parameters, for an ordinary optimiser.
        lr: learning rate, at least 0, in `param_groups`, where schedulers change it.
        momentum: 0 keeps no second (K, D) array.
        weight_decay: L2, at least 0.
        nesterov: whether to use Nesterov momentum.
        scaler: the torch.amp.GradScaler by which the loss is scaled, or None.

    Raises:
        TypeError: head is not a Head.
        ValueError: a number is out of range, or the head has such an optimiser already.
        RuntimeError: in a backward, if `step()` was not called since the last one, or if the loss is scaled by a
            GradScaler that was not passed; W has not moved then. In `step()`, if such a scaler calls it.

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

    # without this a GradScaler looks for gradients to unscale, and there are none
    _step_supports_amp_scaling: ClassVar[bool] = True

    def __init__(
        self,
        head: Head,
        lr: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        if not isinstance(head, Head):
            raise TypeError(f"head is {type(head).__name__}, expected a cones.Head")
        numbers: dict[str, object] = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        for name, number in numbers.items():
            check_not_negative(name, number.item() if isinstance(number, Tensor) else number)
        if nesterov and momentum == 0:
            raise ValueError("nesterov is True but momentum is 0: pass a momentum, or nesterov=False")
        if head.update is not None:
            raise ValueError("head already has a ClassSGD: use one per head")
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__([head.weight], defaults)
        self._waiting = False
        self._scaler, self._group = scaler, head.group
        self._unscale, self._skip = 1.0, False
        head.update, head.before_update = self, self._incoming

    def _incoming(self, loss: Tensor, gradient: Tensor) -> None:
        """Called before the backward with the loss and its upstream gradient, both (N,) or 0-dim."""
        scale = 1.0 if self._scaler is None else self._scaler.get_scale()
        self._unscale = 1 / scale
        self._skip = self._scaler is not None and not self._finite_everywhere(loss, gradient)
        largest = 0.0 if self._skip or not gradient.numel() else float(gradient.abs().max()) / scale
        if largest > FAR_FROM_ONE:
            raise RuntimeError(
                f"the gradient that comes into the head's loss is {largest:g}, expected about 1: W has not moved. If a "
                f"GradScaler scales the loss pass it, ClassSGD(head, lr, scaler=scaler)"
            )
        if scale > FAR_FROM_ONE and 0 < largest < 1 / FAR_FROM_ONE:
            raise RuntimeError(
                f"the gradient that comes into the head's loss is {largest * scale:g}, but ClassSGD has a scaler of "
                f"scale {scale:g}: call scaler.scale(loss).backward(), or leave out scaler="
            )

    def _finite_everywhere(self, loss: Tensor, gradient: Tensor) -> bool:
        """Test whether the loss and its upstream gradient are finite, on all ranks whose rows W learns from."""
        finite = (loss.isfinite().all() & gradient.isfinite().all()).int()
        if self._group is not None:
            dist.all_reduce(finite, dist.ReduceOp.MIN, group=self._group)
        return bool(finite)

    def begin(self) -> None:
        """Called by the engine as a backward begins.

        Raises:
            RuntimeError: `step()` was not called since the last one.
        """
        if self._waiting:
            raise RuntimeError(
                "a second backward before ClassSGD.step(): W moves in the backward, so gradients cannot be added up; "
                "call step() after each backward"
            )
        self._waiting = True

    @torch.no_grad()
    def apply(self, rows: slice | Tensor, gradient: Tensor) -> None:
        """Move the rows (C,) of W by their gradient (C, D), which is used up; called by the engine, tile by tile."""
        if self._skip:
            return
        if self._unscale != 1:
            gradient.mul_(self._unscale)
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

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Allow the next backward; W has moved already.

        Args:
            closure: called first, with gradients on, to run the backward, as Lightning and LBFGS want it; or None.

        Returns:
            what the closure returned, the loss; None without one.

        Raises:
            RuntimeError: a GradScaler calls it that is not the one of the constructor.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._waiting = False
        # set by GradScaler.step
        if self._scaler is None and getattr(self, "grad_scale", None) is not None:
            raise RuntimeError(
                "a GradScaler steps ClassSGD, which moved W by the scaled gradient: pass it, "
                "ClassSGD(head, lr, scaler=scaler)"
            )
        return loss
