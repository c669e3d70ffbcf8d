"""Optimisers with groups that know what is decayed, and the learning rate as a function of the step."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..class_sgd import ClassSGD
from ..engine.similarity import bends
from ._joint import JointLoss
from ._run import Run


def parameter_groups(
    backbone: nn.Module,
    loss: nn.Module,
    *,
    weight_decay: float,
    head_weight_decay: float,
    head_learning_rate_factor: float,
) -> list[dict[str, object]]:
    """Three groups: what is decayed, what is not, and the class weights.

    Args:
        backbone: kernels and matrices are decayed; biases, norms and PReLU slopes (one dimension or none) are not.
        loss: a JointLoss; its head's weight is the third group, whatever else it learns (a bias, a scale, a ring's
            radius) is not decayed.
        weight_decay: of the first group.
        head_weight_decay: of the third.
        head_learning_rate_factor: of the third.

    Returns:
        groups for a torch optimiser, each with a "factor" on the learning rate; none is empty.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    classes: list[nn.Parameter] = []
    for parameter in backbone.parameters():
        (decayed if parameter.dim() > 1 else free).append(parameter)
    for name, parameter in loss.named_parameters():
        (classes if name == "head.weight" else free).append(parameter)
    groups: list[dict[str, object]] = [
        {"name": "decayed", "params": decayed, "weight_decay": weight_decay, "factor": 1.0},
        {"name": "free", "params": free, "weight_decay": 0.0, "factor": 1.0},
        {
            "name": "classes",
            "params": classes,
            "weight_decay": head_weight_decay,
            "factor": head_learning_rate_factor,
        },
    ]
    return [group for group in groups if group["params"]]


class Optimizers:
    """Several optimisers that step together.

    Args:
        members: torch optimisers, none with a parameter of another.
    """

    def __init__(self, *members: torch.optim.Optimizer) -> None:
        self.members = members

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all."""
        return [group for member in self.members for group in member.param_groups]

    def parameters(self) -> list[Tensor]:
        """Everything learnt, in the order in which the state is numbered."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def zero_grad(self) -> None:
        """Remove all gradients."""
        for member in self.members:
            member.zero_grad()

    def step(self) -> None:
        """Move all parameters."""
        for member in self.members:
            member.step()


def build_optimizer(run: Run, backbone: nn.Module, loss: nn.Module) -> Optimizers:
    """The run's optimisers over everything learnt: one, or two where W moves in the backward."""
    groups = parameter_groups(
        backbone,
        loss,
        weight_decay=run.weight_decay,
        head_weight_decay=run.weight_decay if run.head_weight_decay < 0 else run.head_weight_decay,
        head_learning_rate_factor=run.head_learning_rate_factor,
    )
    if not run.class_sgd:
        return Optimizers(_build(run, groups))
    assert isinstance(loss, JointLoss)
    margin = loss.head.margin
    if bends(margin, run.subcenters):
        raise ValueError(
            f"class_sgd moves W in the backward, which {type(margin).__name__} with subcenters {run.subcenters} does "
            f"not allow, for more than the scale touches the non-target logits: leave class_sgd out"
        )
    *others, classes = groups
    decay: Any = classes["weight_decay"]
    of_classes = ClassSGD(loss.head, run.learning_rate, momentum=run.momentum, weight_decay=decay)
    of_classes.param_groups[0] |= {name: classes[name] for name in ("name", "factor")}
    return Optimizers(*([_build(run, others)] if others else []), of_classes)


def _build(run: Run, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    if run.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=run.learning_rate, momentum=run.momentum)
    return torch.optim.AdamW(groups, lr=run.learning_rate)


def learning_rate(run: Run, step: int, total_steps: int) -> float:
    """The learning rate at a step (1, 2, ...) of total_steps: warm-up, then constant, step or cosine.

    Example:
        >>> run = Run(learning_rate=1.0, schedule="step", milestones=(0.5,), decay=0.1)
        >>> [learning_rate(run, step, 4) for step in (1, 2, 3, 4)]
        [1.0, 1.0, 0.1, 0.1]
    """
    done = (step - 1) / total_steps
    rate = run.learning_rate * min(1.0, step / run.warmup_steps if run.warmup_steps else 1.0)
    if run.schedule == "step":
        return rate * run.decay ** sum(done >= share for share in run.milestones)
    if run.schedule == "cosine":
        return rate * (1 + math.cos(math.pi * done)) / 2
    return rate
