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
            "The defaults of ArcFace and CosFace, scale 64 among them, are for faces of 10,000 people and more."
        )
    return "\n".join(fill(paragraph, width=110) for paragraph in paragraphs)


def _which_to_believe(num_classes: int, dim: int, probability: float) -> str:
    directions = f"{num_classes:,} directions in {dim:,} dims"
    cosface = bounds.cosface_scale(num_classes, probability)
    if num_classes == 2:
        believe = (
            "Two classes can be opposite, so that CosFace, NormFace and COCO are all exact and differ in what they ask "
            "for; L2-softmax says nothing of two classes."
        )
    elif num_classes <= dim + 1:
        believe = (
            f"Believe CosFace's scale: {directions} can form the regular simplex for which it is exact. L2-softmax "
            f"counts on one opposite class and COCO on all, though more than two classes cannot all be opposite."
        )
    elif dim == 2:
        believe = (
            f"Believe none of the scales in the plane: {directions} cannot form the simplex that CosFace's "
            f"{cosface:.3g} takes, and the others count on classes at cosine 0 and -1, while neighbours stand "
            f"{_spacing(num_classes, dim)} apart."
        )
    else:
        believe = (
            f"Believe CosFace's scale as a floor: it holds however classes are arranged, but {directions} cannot form "
            f"the simplex that reaches it."
        )
        if num_classes >= MANY_CLASSES:
            believe += " L2-softmax says the same, since nearly all others are near right angles."
    if bounds.adacos_scale(num_classes) < cosface:
        return f"{believe} AdaCos is lower because it asks for one half instead of {probability:g}, and moves on."
    return f"{believe} AdaCos is higher because it asks for one half at 45 degrees, not on the class direction."


def _where_the_scale_comes_from(num_classes: int, dim: int, probability: float) -> str:
    scale, needed = start(num_classes, dim, probability).scale, among_neighbours(num_classes, dim, probability)
    if crowded(num_classes, dim, probability):
        return (
            f"The classes are crowded: neighbours take scale {needed:,.3g} to tell apart, but above {scale:g} even "
            f"features at right angles to their class are not pulled. Take {roomy_dim(num_classes, probability)} dims."
        )
    if scale == math.ceil(needed):
        return (
            f"None of the bounds counts how close neighbours stand. Scale {scale:g} does: with it class directions "
            f"reach {probability:g} among the nearest, {_spacing(num_classes, dim)} away."
        )
    return (
        f"None of the bounds counts a margin. Scale {scale:g} does: with it a feature 45 degrees from its class "
        f"reaches {probability:g} with the ArcFace margin on, all others at right angles."
    )


def _where_the_margins_come_from(num_classes: int, dim: int) -> str:
    largest = f"Class directions stand at most {_spacing(num_classes, dim)} apart"
    if dim > 2 and num_classes > 2 * dim:
        largest += ", in general less"
    return (
        f"{largest}; a margin as large would leave a class nothing but its direction. The margins to take are a third "
        f"of that, or of a right angle where that is less, so that a class keeps two thirds of its cell or more."
    )


def _spacing(num_classes: int, dim: int) -> str:
    return f"{math.degrees(bounds.arcface_margin(num_classes, dim)):.3g} degrees"
