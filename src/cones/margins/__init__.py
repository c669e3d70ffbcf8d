"""Softmax-margin losses, one a file: frozen dataclasses whose fields are the hyperparameters."""

from ._arcface import ArcFace as ArcFace
from ._asoftmax import ASoftmax as ASoftmax
from ._coco import COCO as COCO
from ._combined import CombinedMargin as CombinedMargin
from ._cosface import CosFace as CosFace
from ._l2softmax import L2Softmax as L2Softmax
from ._ldam import LDAM as LDAM
from ._logit_adjusted import LogitAdjusted as LogitAdjusted
from ._lsoftmax import LSoftmax as LSoftmax
from ._margin import Geometry as Geometry
from ._margin import Margin as Margin
from ._margin import Rows as Rows
from ._normface import NormFace as NormFace
from ._parse import known as known
from ._parse import parse as parse
from ._softmax import Softmax as Softmax

__all__ = [
    "COCO",
    "LDAM",
    "ASoftmax",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "L2Softmax",
    "LSoftmax",
    "LogitAdjusted",
    "NormFace",
    "Softmax",
]
