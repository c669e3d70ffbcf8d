"""What a loss costs, told from its class and from a call of it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from .. import probe, scenes
from ..layer import bends
from ..margins import Margin
from ._find import EXAMPLES, example

SIZES = {"N": 11, "K": 7, "D": 5}
"""Prime, so that the sizes of a tensor tell what it counts."""


def cost(loss: type) -> list[str]:
    """What a loss costs beyond plain softmax, a sentence each."""
    return _cost_of_margin(example(loss)) if issubclass(loss, Margin) else _cost_of_feature_loss(loss)


def _cost_of_margin(margin: Margin) -> list[str]:
    kind = type(margin)
    found = []
    if not bends(margin):
        found.append("Closed form: the other classes enter by their scaled similarity alone, as in plain softmax.")
        found.append("`ClassSGD` can move W inside the backward.")
    else:
        if margin.combine == "one-vs-all":
            found.append("One against all: every other class adds a loss of its own.")
        if kind.others is not Margin.others:
            found.append("Bends the other classes' logits.")
        found.append("Autograd runs on each tile of classes; `ClassSGD` cannot move W inside the backward.")
    numbers = list(margin.init_statistics(probe.NUM_CLASSES))
    if numbers:
        more = ", at one more product with W" if probe.asks_for_rest(margin) else ""
        names = ", ".join(f"`{name}`" for name in numbers)
        found.append(f"Keeps running numbers ({names}), updated in every training step{more}.")
    if kind.class_bias is not Margin.class_bias:
        found.append("Adds a fixed bias to the logits of all classes.")
    if kind.penalty is not Margin.penalty:
        found.append("Adds a penalty to the loss of each row.")
    if probe.depends_on_norm(margin):
        found.append("Looks at the norm of each feature, which must not be normalised before the head.")
    if probe.draws_at_random(margin):
        found.append("Draws from torch's generator: the loss of the same rows differs from call to call.")
    if kind.join is not Margin.join or margin.combine != "softmax":
        found.append("Is no cross entropy over the classes: label smoothing has no meaning.")
    return found


def _cost_of_feature_loss(kind: Callable[..., Any]) -> list[str]:
    loss = example(kind, {**EXAMPLES, "num_classes": SIZES["K"], "dim": SIZES["D"]})
    found = []
    if isinstance(loss, nn.Module):
        for name, parameter in loss.named_parameters():
            found.append(f"Learns `{name}`, {_shape(parameter)}: give it to the optimiser.")
        for name, buffer in loss.named_buffers():
            if buffer.dim():
                found.append(f"Keeps `{name}`, {_shape(buffer)}, in a buffer.")
    if callable(getattr(loss, "update", None)):
        found.append("Call `update` after the backward.")
    return found + (_cost_of_call(loss) if set(scenes.required(loss)) <= set(scenes.GIVEN) else [])


def _cost_of_call(loss: Callable[..., Any]) -> list[str]:
    features = torch.randn(SIZES["N"], SIZES["D"], generator=torch.Generator().manual_seed(0))
    weight = torch.randn(SIZES["K"], SIZES["D"], generator=torch.Generator().manual_seed(1)).requires_grad_()
    labels = torch.arange(SIZES["N"]) % SIZES["K"]
    with _Largest() as seen:
        result = scenes.call(loss, features.requires_grad_(), weight, labels).sum()
    found = []
    if "weight" in scenes.arguments(loss):
        (gradient,) = torch.autograd.grad(result, weight, allow_unused=True)
        sends = "sends them a gradient" if gradient is not None else "sends them no gradient"
        found.append(f"Takes the class weights W, and {sends}.")
    return [*found, f"Largest temporary: {_shape(seen.tensor)}."]


class _Largest(TorchDispatchMode):
    """Remembers the largest tensor that was made."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tensor = torch.empty(0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor) and tensor.numel() > self.tensor.numel():
                self.tensor = tensor
        return made


def _shape(tensor: Tensor) -> str:
    letters = {size: letter for letter, size in SIZES.items()}
    if not tensor.dim():
        return "one number"
    return f"({', '.join(letters.get(size, str(size)) for size in tensor.shape)}{',' * (tensor.dim() == 1)})"
