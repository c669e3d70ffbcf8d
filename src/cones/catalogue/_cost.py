"""Cost of a loss, found from its class and from a call of it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..engine.similarity import bends
from ..feature_losses.arguments import arguments
from ..margins import Margin
from ..probing import margins as probing
from ..probing.at_angles import NUM_CLASSES
from ..probing.feature_losses import call, fits
from ._find import EXAMPLES, example

SIZES = {"N": 2001, "K": 2301, "D": 5}
"""Far apart, so that the sizes of a tensor tell what it counts; large enough for what works in blocks to need some."""


def cost(loss: type) -> list[str]:
    """Costs of a loss beyond plain softmax, a sentence each."""
    return _cost_of_margin(example(loss)) if issubclass(loss, Margin) else _cost_of_feature_loss(loss)


def _cost_of_margin(margin: Margin) -> list[str]:
    kind = type(margin)
    sentences = []
    if not bends(margin):
        sentences.append("Closed form: the other classes contribute only their scaled similarity, as in plain softmax.")
        sentences.append("`ClassSGD` can update W inside the backward.")
    else:
        if margin.combine == "one-vs-all":
            sentences.append("One-vs-all: every other class adds its own loss term.")
        if kind.others is not Margin.others:
            may = "Modifies" if probing.bends_others(margin) else "May modify"
            sentences.append(f"{may} the non-target logits.")
        sentences.append("Runs under autograd on each tile of classes; `ClassSGD` cannot update W inside the backward.")
    summaries = len(margin.others_summaries())
    if summaries:
        sentences.append(f"Reduces over all other classes before its target: {summaries} more products with W.")
    numbers = list(margin.init_statistics(NUM_CLASSES))
    if numbers:
        more = ", with one more product with W" if probing.asks_for_rest(margin) else ""
        names = ", ".join(f"`{name}`" for name in numbers)
        sentences.append(f"Keeps running statistics ({names}), updated in every training step{more}.")
    if kind.class_bias is not Margin.class_bias:
        sentences.append("Adds a fixed bias to the logits of all classes.")
    if kind.penalty is not Margin.penalty:
        sentences.append("Adds a penalty to the loss of each row.")
    if probing.depends_on_norm(margin):
        sentences.append("Depends on the norm of each feature: do not normalise features before the head.")
    if probing.draws_at_random(margin):
        sentences.append("Draws from torch's generator: the loss of the same rows differs from call to call.")
    if kind.join is not Margin.join or margin.combine != "softmax":
        sentences.append("Not a cross entropy over the classes: label smoothing does not apply.")
    return sentences


def _cost_of_feature_loss(kind: Callable[..., Any]) -> list[str]:
    loss = example(kind, {**EXAMPLES, "num_classes": SIZES["K"], "dim": SIZES["D"]})
    sentences = []
    if isinstance(loss, nn.Module):
        for name, parameter in loss.named_parameters():
            sentences.append(f"Learns `{name}`, {_shape(parameter)}: pass it to the optimiser.")
        for name, buffer in loss.named_buffers():
            if buffer.dim():
                sentences.append(f"Keeps `{name}`, {_shape(buffer)}, in a buffer.")
    if callable(getattr(loss, "update", None)):
        sentences.append("Call `update` after the backward.")
    return sentences + (_cost_of_call(loss) if fits(loss) else [])


def _cost_of_call(loss: Callable[..., Any]) -> list[str]:
    sentences = []
    if "weight" in arguments(loss):
        weight = torch.eye(SIZES["K"], SIZES["D"]).requires_grad_()
        result = call(loss, torch.ones(2, SIZES["D"]), weight, torch.arange(2)).sum()
        (gradient,) = torch.autograd.grad(result, weight, allow_unused=True)
        sentences.append(f"Takes the class weights W, {'without' if gradient is None else 'with'} gradient.")
    largest = _largest_temporary(loss)
    if "?" in _shape(largest):
        return [*sentences, "Works in blocks of classes of fixed size."]
    return [*sentences, f"Largest temporary: {_shape(largest)}."]


@torch.no_grad()
def _largest_temporary(loss: Callable[..., Any]) -> Tensor:
    features = torch.randn(SIZES["N"], SIZES["D"], generator=torch.Generator().manual_seed(0))
    weight = torch.randn(SIZES["K"], SIZES["D"], generator=torch.Generator().manual_seed(1))
    seen = _Largest()
    with seen:
        for rows_of_a_class in (1, 2):  # a class of each row takes most for some, pairs for others
            call(loss, features, weight, torch.arange(SIZES["N"]) // rows_of_a_class)
    return seen.tensor


class _Largest(TorchDispatchMode):
    """Remembers the largest tensor that was made."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tensor = torch.empty(0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor) and tensor.nbytes > self.tensor.nbytes:
                self.tensor = tensor
        return made


def _shape(tensor: Tensor) -> str:
    """The shape in letters: one more or less counts as the letter, anything else is a question mark."""
    if not tensor.dim():
        return "one number"
    letters = [next((name for name, at in SIZES.items() if abs(size - at) <= 1), "?") for size in tensor.shape]
    return f"({', '.join(letters)}{',' * (len(letters) == 1)})"
