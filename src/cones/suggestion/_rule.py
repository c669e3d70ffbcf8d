"""The rule behind `cones.suggest`: scale and margins that K classes in D dims can be trained with.

* Margins: a third of the largest that can be met. Features may then lie anywhere within two thirds of the way from
  their class direction to the border of its cell, in the plane as in 512 dims; with the largest itself each would have
  to lie on its class direction. Room past a right angle does not count: a feature there would have to be the others'
  opposite.
* Scale: the larger of what two pictures ask for, rounded up. Class directions among their nearest neighbours reach
  the probability, as in CosFace's eq. 6, whose simplex they cannot form where classes are crowded. And a feature at
  45 degrees from its class, AdaCos's angle, reaches it with the ArcFace margin on, all other classes at right angles,
  where they stand when training starts. Never more than saturates: where features almost at right angles to their
  class have the probability already, nothing pulls them closer.

For faces this is about what the papers use: margins 0.33 and 0.52, scale 45 for 10,000 classes and 62 for 1,000,000.
"""

import math
from itertools import count
from typing import NamedTuple

from ..bounds import arcface_margin, cosface_margin

SHARE = 1 / 3
"""Of the largest margin that can be met."""

SATURATION = 0.1
"""The cosine of 84 degrees, almost a right angle."""


class Start(NamedTuple):
    """The suggested scale and margins.

    Attributes:
        scale: s.
        cosface_margin: m in cosine units.
        arcface_margin: m in radians.
    """

    scale: float
    cosface_margin: float
    arcface_margin: float


def start(num_classes: int, dim: int, probability: float = 0.9) -> Start:
    """Scale and margins with which K >= 2 classes in D >= 2 dims reach a probability.

    Example:
        >>> start(10, 64)
        Start(scale=17.0, cosface_margin=0.33, arcface_margin=0.52)
    """
    cosine = SHARE * min(cosface_margin(num_classes, dim), 1.0)
    needed = max(1.0, among_neighbours(num_classes, dim, probability), at_45_degrees(num_classes, dim, probability))
    scale = min(math.ceil(needed), math.floor(saturating_scale(num_classes)))
    return Start(float(scale), float(f"{cosine:.2g}"), float(f"{_share_of_angle(num_classes, dim):.2g}"))


def among_neighbours(num_classes: int, dim: int, probability: float) -> float:
    """The scale at which class directions reach P among their n nearest, at an angle phi, without a margin.

        s = log(n P / (1 - P)) / (1 - cos(phi)),   n = min(K - 1, 2 (D - 1))

    n is all others in a simplex, two in the plane, and all but the opposite among the axes.
    """
    nearest = min(num_classes - 1, 2 * (dim - 1))
    return log_odds(nearest, probability) / cosface_margin(num_classes, dim)


def at_45_degrees(num_classes: int, dim: int, probability: float) -> float:
    """The scale at which a feature at 45 degrees from its class reaches P with a third of ArcFace's largest margin.

    s = log((K - 1) P / (1 - P)) / cos(pi / 4 + m),   all other classes at right angles
    """
    return log_odds(num_classes - 1, probability) / math.cos(math.pi / 4 + _share_of_angle(num_classes, dim))


def saturating_scale(num_classes: int) -> float:
    """The scale at which a feature almost at right angles to its class has probability 0.9, without a margin."""
    return log_odds(num_classes - 1, 0.9) / SATURATION


def crowded(num_classes: int, dim: int, probability: float) -> bool:
    """Tell whether class directions could reach P among their neighbours only at a scale that saturates."""
    return among_neighbours(num_classes, dim, probability) > saturating_scale(num_classes)


def roomy_dim(num_classes: int, probability: float) -> int:
    """The least D in which neighbours ask for no larger scale than features at 45 degrees do."""
    dims = count(2)
    return next(
        d for d in dims if among_neighbours(num_classes, d, probability) <= at_45_degrees(num_classes, d, probability)
    )


def log_odds(others: int, probability: float) -> float:
    """Lead of a logit over n equal others that gives probability P: log(n P / (1 - P))."""
    return math.log(others) + math.log(probability) - math.log1p(-probability)


def _share_of_angle(num_classes: int, dim: int) -> float:
    return SHARE * min(arcface_margin(num_classes, dim), math.pi / 2)
