"""Losses that depend on class frequencies, and margins with one number per class, from their formulas."""

import numpy as np

import cones

from ._given import cross_entropy
from .classic import on_cosines

COUNTS = (500, 3, 40, 1, 77, 250, 9, 18, 120, 5, 60)
SMALL_TO_LARGE = tuple(0.05 * j for j in range(11))
"""One number per class; with other numbers of classes it is cut, or begun again."""

MARGINS = [
    cones.LDAM(counts=COUNTS),
    cones.LDAM(counts=COUNTS, margin=0.3, scale=8.0),
    cones.LogitAdjusted(counts=COUNTS),
    cones.LogitAdjusted(counts=COUNTS, temperature=1.7, scale=0.6),
    cones.CosFace(margin=SMALL_TO_LARGE, scale=10.0),
    *(cones.ArcFace(margin=SMALL_TO_LARGE, scale=10.0, tail=tail) for tail in ("smooth", "easy", "clip")),
    cones.CombinedMargin(m1=1.3, m2=SMALL_TO_LARGE, m3=SMALL_TO_LARGE[::-1], scale=10.0),
]


def ldam(g, g0):
    counts = np.asarray(g.fields["counts"], dtype=float)
    return on_cosines(g, g.own - g.fields["margin"] * (counts.min() / counts[g.y]) ** 0.25)


def logit_adjusted(g, g0):
    counts = np.asarray(g.fields["counts"], dtype=float)
    z = g.fields["scale"] * (g.x @ g.w.T) + g.fields["temperature"] * np.log(counts / counts.sum())
    return cross_entropy(g, z, z[g.rows, g.y])


FORMULAS = {"LDAM": ldam, "LogitAdjusted": logit_adjusted}

EQUAL = (5,) * 23
NEUTRAL = [
    (cones.LDAM(counts=COUNTS, margin=0.0, scale=9.0), cones.NormFace(scale=9.0)),
    (cones.LDAM(counts=EQUAL, margin=0.3, scale=9.0), cones.CosFace(margin=0.3, scale=9.0)),
    (cones.LogitAdjusted(counts=COUNTS, temperature=0.0), cones.Softmax()),
    (cones.LogitAdjusted(counts=EQUAL, scale=2.0), cones.Softmax(scale=2.0)),
    (cones.CosFace(margin=(0.3,) * 23, scale=9.0), cones.CosFace(margin=0.3, scale=9.0)),
    (cones.ArcFace(margin=(0.3,) * 23, scale=9.0), cones.ArcFace(margin=0.3, scale=9.0)),
    (
        cones.CombinedMargin(m2=(0.3,) * 23, m3=(0.1,) * 23, scale=9.0),
        cones.CombinedMargin(m2=0.3, m3=0.1, scale=9.0),
    ),
]
