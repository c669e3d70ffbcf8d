"""Sampled classes for a step, instead of all: the batch's own, and each other with a fixed chance."""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.dtypes import working_dtype
from .draws import chosen
from .step import LocalClasses, Population
from .streaming import WeightUpdate


def sample(local_labels: Tensor, classes: slice, rate: float, seed: Tensor) -> Tensor:
    """Draw the classes of a step: those of the labels, and each other with a chance of its own.

    Whether a class is drawn depends on the seed and on its number among all, so that any number of ranks draw the same.

    Args:
        local_labels: (M,) int64, number of each row's own class among these, or a number outside.
        classes: the numbers, among all K, of the C classes to draw from.
        rate: the chance, in (0, 1].
        seed: 0-dim int64, of the step.

    Returns:
        (S,) int64, numbers among these, ascending; without own classes S is binomial, of mean rate * C, and may be 0.

    Source: An et al., "Partial FC: Training 10 Million Identities on a Single Machine", arXiv 2010.05222, with the
    classes that are present always taken, and a chance for each class in place of a fixed number of them.
    """
    taken = chosen(seed, classes, rate, local_labels.device)
    taken[local_labels[(local_labels >= 0) & (local_labels < len(taken))]] = True
    return taken.nonzero().squeeze(1)


def centers_of(classes: Tensor, subcenters: int) -> Tensor:
    """The rows of W of some classes, all centers of each."""
    return (classes[:, None] * subcenters + torch.arange(subcenters, device=classes.device)).flatten()


class _OfSampledRows(NamedTuple):
    """An update of all of W, given numbers among the sampled rows."""

    update: WeightUpdate
    sampled_rows: Tensor

    def begin(self) -> None:
        self.update.begin()

    def apply(self, rows: slice | Tensor, gradient: Tensor) -> None:
        self.update.apply(self.sampled_rows[rows], gradient)


def sampled(
    held: LocalClasses,
    rate: float,
    seed: Tensor,
    update: WeightUpdate | None,
    *,
    normaliser: Literal["sampled", "all"] = "sampled",
) -> tuple[LocalClasses, WeightUpdate | None]:
    """Sample the classes of a step among those held, and have the update take numbers among these.

    Args:
        held: the classes that are here.
        rate: the chance of each to be taken.
        seed: 0-dim int64, of the step.
        update: of all of W, or None: the gradient of W is sparse then.
        normaliser: the classes that a loss is over, those of the step or all.
    """
    first = 0 if held.ranks is None else held.ranks.first_class
    classes = sample(held.local_labels, slice(first, first + held.here), rate, seed)
    centers = centers_of(classes, held.subcenters)
    inside = held.own_is_here()
    local_labels = torch.where(inside, torch.searchsorted(classes, held.local_labels), -1)
    bias = None if held.bias is None else held.bias[classes]
    if update is None:
        weight = F.embedding(centers, held.weight, sparse=True)
    else:
        weight = held.weight.detach()[centers].requires_grad_(held.weight.requires_grad)
        update = _OfSampledRows(update, centers)
    population = None
    if normaliser == "all":
        log_weight = weight.new_full((len(classes),), -math.log(rate), dtype=working_dtype(weight))
        log_weight[local_labels[inside]] = 0
        bias_of_all = None if held.bias is None else held.bias.detach()
        population = Population(held.weight.detach(), bias_of_all, held.local_labels, log_weight, -math.log(rate))
    return held._replace(weight=weight, bias=bias, local_labels=local_labels, population=population), update
