"""Bounds on scales and margins that the papers prove, as functions of K classes, D dims, probability P.

Bounds on a scale say which probability or loss a feature on its own class direction can reach at all; bounds on a
margin say how far apart the class directions can stand. `cones.suggest` weighs them against each other.
"""

from ._margins import arcface_margin as arcface_margin
from ._margins import asoftmax_margin as asoftmax_margin
from ._margins import cosface_margin as cosface_margin
from ._scales import adacos_scale as adacos_scale
from ._scales import coco_scale as coco_scale
from ._scales import cosface_scale as cosface_scale
from ._scales import l2_softmax_scale as l2_softmax_scale
from ._scales import normface_loss as normface_loss

__all__ = [
    "adacos_scale",
    "arcface_margin",
    "asoftmax_margin",
    "coco_scale",
    "cosface_margin",
    "cosface_scale",
    "l2_softmax_scale",
    "normface_loss",
]
