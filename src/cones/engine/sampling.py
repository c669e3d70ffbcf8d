"""Some of the classes for a step, instead of all."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .step import LocalClasses
from .streaming import Move, Update


def sample(places: Tensor, num_classes: int, rate: float) -> Tensor:
    """The classes of a step, ascending: those of the labels, and random others up to a share of all.

    Args:
        places: (M,) int64, where each row's own class stands among these, or a number outside.
        num_classes: C.
        rate: the share, in (0, 1].

    Returns:
        (S,) int64, S = rate * C, or as many as there are labels if that is more; at least 1.

    Source: An et al., "Partial FC: Training 10 Million Identities on a Single Machine", arXiv 2010.05222, with the
    classes that are present always taken.
    """
    chance = torch.rand(num_classes, device=places.device)
    chance[places[(places >= 0) & (places < num_classes)]] = 2.0
    size = max(int((chance == 2.0).sum()), int(rate * num_classes), 1)
    return chance.topk(size, sorted=False).indices.sort().values


def centers_of(classes: Tensor, subcenters: int) -> Tensor:
    """The rows of W of some classes, all centers of each."""
    return (classes[:, None] * subcenters + torch.arange(subcenters, device=classes.device)).flatten()


def renumbered(update: Update, classes: Tensor) -> Update:
    """An update of all of W for what numbers only the rows of some classes."""

    def begin() -> Move:
        move = update()
        return lambda rows, gradient: move(classes[rows], gradient)

    return begin


def sampled(held: LocalClasses, rate: float, update: Update | None) -> tuple[LocalClasses, Update | None]:
    """The classes of a step among those held, and the update for what numbers only these.

    Args:
        held: the classes that are here.
        rate: the share to take.
        update: of all of W, or None: the gradient of W is sparse then.
    """
    classes = sample(held.places, held.here, rate)
    centers = centers_of(classes, held.subcenters)
    inside = held.nearby()[1]
    places = torch.where(inside, torch.searchsorted(classes, held.places), -1)
    bias = None if held.bias is None else held.bias[classes]
    if update is None:
        weight = F.embedding(centers, held.weight, sparse=True)
    else:
        weight = held.weight.detach()[centers].requires_grad_(held.weight.requires_grad)
        update = renumbered(update, centers)
    return held._replace(weight=weight, bias=bias, places=places), update
