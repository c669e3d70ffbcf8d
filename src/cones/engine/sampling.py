"""Sampled classes for a step, instead of all."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .step import LocalClasses
from .streaming import WeightUpdate


def sample(local_labels: Tensor, num_classes: int, rate: float) -> Tensor:
    """Draw the classes of a step, ascending: those of the labels, and random others up to a share of all.

    Args:
        local_labels: (M,) int64, number of each row's own class among these, or a number outside.
        num_classes: C.
        rate: the share, in (0, 1].

    Returns:
        (S,) int64, S = rate * C, or as many as there are labels if that is more; at least 1.

    Source: An et al., "Partial FC: Training 10 Million Identities on a Single Machine", arXiv 2010.05222, with the
    classes that are present always taken.
    """
    chance = torch.rand(num_classes, device=local_labels.device)
    chance[local_labels[(local_labels >= 0) & (local_labels < num_classes)]] = 2.0
    size = max(int((chance == 2.0).sum()), int(rate * num_classes), 1)
    return chance.topk(size, sorted=False).indices.sort().values


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


def sampled(held: LocalClasses, rate: float, update: WeightUpdate | None) -> tuple[LocalClasses, WeightUpdate | None]:
    """Sample the classes of a step among those held, and have the update take numbers among these.

    Args:
        held: the classes that are here.
        rate: the share to take.
        update: of all of W, or None: the gradient of W is sparse then.
    """
    classes = sample(held.local_labels, held.here, rate)
    centers = centers_of(classes, held.subcenters)
    inside = held.own_is_here()
    local_labels = torch.where(inside, torch.searchsorted(classes, held.local_labels), -1)
    bias = None if held.bias is None else held.bias[classes]
    if update is None:
        weight = F.embedding(centers, held.weight, sparse=True)
    else:
        weight = held.weight.detach()[centers].requires_grad_(held.weight.requires_grad)
        update = _OfSampledRows(update, centers)
    return held._replace(weight=weight, bias=bias, local_labels=local_labels), update
