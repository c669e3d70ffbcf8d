"""The warning, given once, that a scale or a margin is far outside the bounds."""

import math
from collections.abc import Iterator
from dataclasses import fields

from torch import Tensor

from ..bounds import arcface_margin, cosface_margin, cosface_scale
from ..margins import Margin
from ._rule import among_neighbours, saturating_scale, start


def far_outside(margin: Margin, num_classes: int, dim: int) -> str | None:
    """A warning for a scale or margin that K classes in D dims can hardly be trained with, or None.

    A scale is far outside below CosFace's bound, where no arrangement of the classes reaches probability 0.9, and past
    the larger of two scales: where features at 84 degrees from their class have that probability already, and twice
    what class directions need among their nearest neighbours. A margin is far outside past the largest that can be met
    even by features on their class direction; an angle past pi / 2 looks like degrees. What `suggest` recommends lies
    inside.

    Only softmax margins on unit features and unit class weights whose scale is a field with a plain number are looked
    at. A margin that bends the other classes' logits gives its scale a meaning of its own: of such only the angles and
    cosines are.

    Args:
        margin: the loss.
        num_classes: K.
        dim: D.

    Returns:
        a text that names the field, its value, the bound, its source and what to do; None where all is well.

    Reference: Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018,
    arXiv 1801.09414, eqs. 6 and 7.

    Example:
        >>> from cones import ArcFace
        >>> print(far_outside(ArcFace(margin=0.5, scale=64.0), num_classes=10, dim=64))
        ArcFace: scale is 64.0, far above the 3.955 at which 10 classes ...; use 17, see cones.suggest(10, 64)
        >>> far_outside(ArcFace(margin=0.5, scale=64.0), num_classes=10_000, dim=512)
    """
    if (margin.features, margin.weights, margin.combine) != ("unit", "unit", "softmax"):
        return None
    if all(field.name != "scale" for field in fields(margin)) or isinstance(margin.scale, Tensor):
        return None
    texts = [*_margins_outside(margin, num_classes, dim), *_scale_outside(margin, margin.scale, num_classes, dim)]
    return "; ".join(texts) or None


def _margins_outside(margin: Margin, num_classes: int, dim: int) -> Iterator[str]:
    for name, angle in _numbers(margin, margin.angles):
        if angle > math.pi / 2:
            yield (
                f"{type(margin).__name__}: {name} is {angle} radians, past pi / 2: angles are radians; "
                f"{angle} degrees would be {math.radians(angle):.4f}"
            )
        elif _has_room(num_classes, dim) and angle > arcface_margin(num_classes, dim):
            largest, take = arcface_margin(num_classes, dim), start(num_classes, dim).arcface_margin
            yield _too_wide(margin, name, f"{angle} radians", f"{largest:.4g} radians", take, num_classes, dim)
    for name, cosine in _numbers(margin, margin.cosines):
        if _has_room(num_classes, dim) and cosine > cosface_margin(num_classes, dim):
            largest, take = cosface_margin(num_classes, dim), start(num_classes, dim).cosface_margin
            yield _too_wide(margin, name, f"{cosine}", f"{largest:.4g} in cosine", take, num_classes, dim)


def _numbers(margin: Margin, names: tuple[str, ...]) -> list[tuple[str, float]]:
    """Fields that are plain numbers, and the largest of those that have one per class; not those that are learnt."""
    values = [(name, getattr(margin, name)) for name in names]
    values = [(name, max(value, default=0.0) if isinstance(value, tuple) else value) for name, value in values]
    return [(name, value) for name, value in values if isinstance(value, float | int)]


def _too_wide(margin: Margin, name: str, got: str, largest: str, take: float, num_classes: int, dim: int) -> str:
    return (
        f"{type(margin).__name__}: {name} is {got}, but {num_classes:,} class directions in {dim:,} dims are at most "
        f"{largest} apart (CosFace, arXiv 1801.09414, eq. 7), so not even a feature on its own direction meets it; "
        f"use {take:g}, see cones.suggest({num_classes}, {dim})"
    )


def _scale_outside(margin: Margin, scale: float, num_classes: int, dim: int) -> Iterator[str]:
    if not _has_room(num_classes, dim) or margin.bends:
        return
    least = cosface_scale(num_classes)
    most = max(saturating_scale(num_classes), 2 * among_neighbours(num_classes, dim, 0.9))
    got = f"{type(margin).__name__}: scale is {scale}"
    fix = f"use {start(num_classes, dim).scale:g}, see cones.suggest({num_classes}, {dim})"
    source = "(CosFace, arXiv 1801.09414, eq. 6)"
    if scale < least:
        yield (
            f"{got}, but {num_classes:,} classes, however arranged, need at least {least:.4g} to reach probability 0.9 "
            f"{source}; {fix}"
        )
    elif scale > most:
        yield (
            f"{got}, far above the {least:.4g} at which {num_classes:,} classes reach probability 0.9 {source}: above "
            f"{most:.4g} a feature nearly at right angles to its class reaches it too, and is not pulled closer; {fix}"
        )


def _has_room(num_classes: int, dim: int) -> bool:
    """Tell whether there are several classes and more directions than the two of a line."""
    return num_classes > 1 and dim > 1
