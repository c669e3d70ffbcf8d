"""Hand-written gradients, which a second derivative would otherwise take for constants."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def first_order_only(gradients: Sequence[Tensor | None], sources: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """Return gradients that raise an error when they are differentiated.

    `torch.autograd.function.once_differentiable` lets a gradient pass as a constant where the upstream gradient is one,
    as it is for a sum of losses; here the saved inputs count as well. Costs nothing without `create_graph=True`.

    Args:
        gradients: the results of a backward, computed under `torch.no_grad()`.
        sources: everything the gradients depend on: upstream gradients and the inputs of the forward.

    Returns:
        the gradients; with `create_graph=True` a backward through one of them raises RuntimeError.
    """
    made = [gradient for gradient in gradients if gradient is not None]
    if not torch.is_grad_enabled() or not made:
        return tuple(gradients)
    refusing = iter(_Refusing.apply(made, *sources))  # type: ignore[no-untyped-call]
    return tuple(None if gradient is None else next(refusing) for gradient in gradients)


def refuse(*_: Any) -> Any:
    """Raise the error of a second derivative."""
    raise RuntimeError(
        "the engine has no second derivative: use dense_margin_softmax, which consists of PyTorch operations"
    )


class _Refusing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, made: list[Tensor], *sources: Tensor | None) -> tuple[Tensor, ...]:
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *_: Tensor | None) -> tuple[None, ...]:
        return refuse()  # type: ignore[no-any-return]
