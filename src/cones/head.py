"""Head: the class weights, a margin, and a loss or logits."""

import math
import warnings
from dataclasses import fields, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .arguments import reduce
from .margins import Margin
from .planner import MEMORY_BUDGET
from .softmax import added_to_logits, check_arguments, check_settings, logits, losses_over
from .streaming import Move, Update

PATIENCE = 50
"""Backward passes without a change of W after which `Head` asks whether an optimiser knows it."""


class Head(nn.Module):
    """The last layer and the loss in one: `head(features, labels)` replaces `F.cross_entropy(fc(x), y)`.

        loss_i = -logsigmoid(t_i - logsumexp_{j != y_i} o_ij),   t and o by the margin

    The weight is the head's own parameter: give it to the optimiser, for instance by `head.parameters()`.

    Args:
        in_features: D.
        num_classes: K.
        margin: the loss, such as ArcFace(margin=0.5, scale=64.0).
        bias: whether classes have a bias, added after the margin; starts at 0.
        learn_scale: whether the scale is learnt, starting from the margin's; it is then `head.scale`.
        subcenters: centers a class; only 1 so far.
        sample_rate: share of classes taken in a training step: those of the labels, and random others. Below 1 the
            gradient of W is sparse (its rows alone), for `ClassSGD` or another optimiser that takes such.
        group: process group over which the classes are sharded; only None so far.
        compute_dtype: precision of the products of features and weights, None for that of the inputs.
        memory_budget: bytes of temporaries.
        device, dtype: of the parameters.

    Attributes:
        weight: (K, D); starts normal with variance 1 / D, so that every direction is as likely.
        bias: (K,) or None.
        scale: 0-dim, or None.
        margin: may be replaced at any time, as a margin schedule does.
        update: what moves W in the backward; None, unless a ClassSGD put itself there.

    Raises:
        TypeError, ValueError: an argument is wrong; the error names it.

    Source: each margin's own reference.

    Example:
        >>> from cones import ArcFace
        >>> head = Head(4, 10, ArcFace(margin=0.2, scale=16.0))
        >>> x, y = torch.randn(3, 4), torch.tensor([0, 9, 4])
        >>> head(x, y).shape, head(x, y, reduction="none").shape, head.logits(x).shape
        (torch.Size([]), torch.Size([3]), torch.Size([3, 10]))
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        margin: Margin,
        *,
        bias: bool = False,
        learn_scale: bool = False,
        subcenters: int = 1,
        sample_rate: float = 1.0,
        group: None = None,
        compute_dtype: torch.dtype | None = None,
        memory_budget: int = MEMORY_BUDGET,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(margin, Margin):
            raise TypeError(f"margin is {margin!r}, expected a cones.Margin such as ArcFace(margin=0.5, scale=64.0)")
        for name, count in (("in_features", in_features), ("num_classes", num_classes)):
            if count < 1:
                raise ValueError(f"{name} is {count}, expected at least 1")
        if subcenters != 1:
            raise ValueError(f"subcenters is {subcenters}: only one center a class so far, pass subcenters=1")
        if not 0 < sample_rate <= 1:
            raise ValueError(f"sample_rate is {sample_rate}, expected a share of the classes in (0, 1]")
        if group is not None:
            raise ValueError(f"group is {group!r}: classes cannot be sharded over processes yet, pass group=None")
        if learn_scale and "scale" not in (field.name for field in fields(margin)):
            raise ValueError(f"learn_scale is True, but {type(margin).__name__} has no scale field: pass False")
        check_settings(memory_budget, compute_dtype)
        _warn_of_degrees(margin)
        self.in_features = in_features
        self.num_classes = num_classes
        self.margin = margin
        self.compute_dtype = compute_dtype
        self.sample_rate = sample_rate
        self.update: Update | None = None
        self.memory_budget = memory_budget
        self.weight = nn.Parameter(torch.empty(num_classes, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(num_classes, device=device, dtype=dtype)) if bias else None
        self.scale = nn.Parameter(torch.empty((), device=device, dtype=dtype)) if learn_scale else None
        self.reset_parameters()
        self._backwards_unchanged = 0
        self._version_seen = self.weight._version
        self.weight.register_post_accumulate_grad_hook(self._watch)

    def reset_parameters(self) -> None:
        """Draw the weight anew; bias and scale go back to their start."""
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.in_features))
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if self.scale is not None:
            nn.init.constant_(self.scale, float(self.margin.scale))

    def forward(self, features: Tensor, labels: Tensor, reduction: Literal["none", "mean", "sum"] = "mean") -> Tensor:
        """The loss of the rows.

        Args:
            features: (N, D), any floating dtype.
            labels: (N,) integers in 0..K-1.
            reduction: "none" for (N,), "mean" (0 for no rows), or "sum".

        Returns:
            (N,) or a 0-dim loss, float32 or float64.

        Raises:
            TypeError, ValueError: as `margin_softmax`; or reduction is none of the three.
        """
        margin = self.margin_in_force()
        check_arguments(features, self.weight, labels, margin, self.bias, None)
        labels = labels.long()
        weight: Tensor = self.weight
        bias = added_to_logits(margin, self.bias, self.weight)
        places, update = labels, self.update
        if self.training and self.sample_rate < 1:
            classes = self._sample(labels)
            places = torch.searchsorted(classes, labels)
            bias = None if bias is None else bias[classes]
            if update is None:
                weight = F.embedding(classes, weight, sparse=True)
            else:
                weight = weight.detach()[classes].requires_grad_(weight.requires_grad)
                update = _renumbered(update, classes)
        losses = losses_over(
            features,
            weight,
            places,
            labels,
            margin,
            bias=bias,
            memory_budget=self.memory_budget,
            low=self.compute_dtype,
            update=update,
        )
        return reduce(losses, reduction)

    def _sample(self, labels: Tensor) -> Tensor:
        """The classes of a step, ascending: those of the labels and random others, sample_rate * K of them in all."""
        chance = torch.rand(self.num_classes, device=labels.device)
        chance[labels] = 2.0
        size = max(int((chance == 2.0).sum()), int(self.sample_rate * self.num_classes))
        return chance.topk(size, sorted=False).indices.sort().values

    def logits(self, features: Tensor) -> Tensor:
        """(N, K) = scale * similarity + bias of features (N, D): no label, no margin; argmax predicts."""
        return logits(features, self.weight, self.margin_in_force(), bias=self.bias)

    def margin_in_force(self) -> Margin:
        """The margin, with the learnt scale in it where there is one."""
        return self.margin if self.scale is None else replace(self.margin, scale=self.scale)  # type: ignore[call-arg]

    def extra_repr(self) -> str:
        """What print(head) shows: sizes, margin, and what is learnt beside W."""
        learnt = f"bias={self.bias is not None}, learn_scale={self.scale is not None}"
        return f"in_features={self.in_features}, num_classes={self.num_classes}, margin={self.margin}, {learnt}"

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: all but the update, which moves this head's W and no copy's."""
        return {**self.__dict__, "update": None}

    def _watch(self, weight: Tensor) -> None:
        """Warn once if no optimiser changes W: the most common way to train nothing."""
        if self._backwards_unchanged > PATIENCE:
            return  # warned
        if weight._version != self._version_seen:
            self._backwards_unchanged, self._version_seen = 0, weight._version
        self._backwards_unchanged += 1
        if self._backwards_unchanged > PATIENCE:
            warnings.warn(
                f"the head's weight has not changed in {PATIENCE} backward passes: is it in an optimiser? "
                f"Pass [*backbone.parameters(), *head.parameters()]",
                stacklevel=2,
            )


def _renumbered(update: Update, classes: Tensor) -> Update:
    """An update of all of W for what numbers only the rows of some classes."""

    def begin() -> Move:
        move = update()
        return lambda rows, gradient: move(classes[rows], gradient)

    return begin


def _warn_of_degrees(margin: Margin) -> None:
    for name in margin.angles:
        angle = getattr(margin, name)
        if isinstance(angle, float | int) and angle > math.pi / 2:
            warnings.warn(
                f"{type(margin).__name__}: {name} is {angle} radians, past pi / 2: angles are radians; "
                f"{angle} degrees would be {math.radians(angle):.4f}",
                stacklevel=3,
            )
