"""Advice in words: which bounds to believe for K classes and D dims, and how scale and margins follow."""

import math
from textwrap import fill

from .. import bounds
from ._rule import among_neighbours, crowded, roomy_dim, start

MANY_CLASSES = 1000
"""From here on L2-softmax and CosFace agree to a tenth of a percent: nearly all others are near right angles."""


def advice_on(num_classes: int, dim: int, probability: float) -> str:
    """Paragraphs on the scale bounds, the scale, the margins, and the room, wrapped for a terminal."""
    paragraphs = [
        _which_to_believe(num_classes, dim, probability),
        _where_the_scale_comes_from(num_classes, dim, probability),
        _where_the_margins_come_from(num_classes, dim),
    ]
    if num_classes < MANY_CLASSES:
        paragraphs.append(
            "The defaults of ArcFace and CosFace, such as scale 64, are for face data of 10,000 people and more."
        )
    return "\n".join(fill(paragraph, width=110) for paragraph in paragraphs)


def _which_to_believe(num_classes: int, dim: int, probability: float) -> str:
    directions = f"{num_classes:,} directions in {dim:,} dims"
    cosface = bounds.cosface_scale(num_classes, probability)
    if num_classes == 2:
        believe = (
            "Two classes can be opposite, so CosFace, NormFace and COCO are all exact and differ only in the "
            "probability they aim for; L2-softmax does not cover two classes."
        )
    elif num_classes <= dim + 1:
        believe = (
            f"Trust CosFace's scale: {directions} can form the regular simplex for which it is exact. L2-softmax "
            f"assumes one opposite class and COCO assumes all, though more than two classes cannot all be opposite."
        )
    elif dim == 2:
        believe = (
            f"Trust none of the scales in the plane: {directions} cannot form the simplex that CosFace's "
            f"{cosface:.3g} assumes, and the others assume classes at cosine 0 and -1, while neighbours are "
            f"{_spacing(num_classes, dim)} apart."
        )
    else:
        believe = (
            f"Trust CosFace's scale as a lower bound: it holds for any arrangement of classes, but {directions} cannot "
            f"form the simplex that attains it."
        )
        if num_classes >= MANY_CLASSES:
            believe += " L2-softmax agrees, since nearly all others are near right angles."
    if bounds.adacos_scale(num_classes) < cosface:
        return f"{believe} AdaCos is lower because it aims for one half instead of {probability:g}, and then adapts."
    return f"{believe} AdaCos is higher because it aims for one half at 45 degrees, not on the class direction."


def _where_the_scale_comes_from(num_classes: int, dim: int, probability: float) -> str:
    scale, needed = start(num_classes, dim, probability).scale, among_neighbours(num_classes, dim, probability)
    if crowded(num_classes, dim, probability):
        return (
            f"The classes are crowded: separating neighbours needs scale {needed:,.3g}, but above {scale:g} even "
            f"features at right angles to their class are not pulled. Use {roomy_dim(num_classes, probability)} dims."
        )
    if scale == math.ceil(needed):
        return (
            f"None of the bounds considers how close neighbours are. Scale {scale:g} does: with it, class directions "
            f"reach {probability:g} among their nearest neighbours, {_spacing(num_classes, dim)} away."
        )
    return (
        f"None of the bounds considers a margin. Scale {scale:g} does: with it, a feature 45 degrees from its class "
        f"reaches {probability:g} with the ArcFace margin, all others at right angles."
    )


def _where_the_margins_come_from(num_classes: int, dim: int) -> str:
    largest = f"Class directions are at most {_spacing(num_classes, dim)} apart"
    if dim > 2 and num_classes > 2 * dim:
        largest += ", in general less"
    return (
        f"{largest}; a margin that large would leave a class only its direction. The suggested margins are a third of "
        f"that, or of a right angle if that is less, so that a class keeps at least two thirds of its cell."
    )


def _spacing(num_classes: int, dim: int) -> str:
    return f"{math.degrees(bounds.arcface_margin(num_classes, dim)):.3g} degrees"
