"""Softmax-margin losses, one a file: frozen dataclasses whose fields are the hyperparameters."""

from ._adacos import AdaCos as AdaCos
from ._adaface import AdaFace as AdaFace
from ._arcface import ArcFace as ArcFace
from ._asoftmax import ASoftmax as ASoftmax
from ._coco import COCO as COCO
from ._combined import CombinedMargin as CombinedMargin
from ._cosface import CosFace as CosFace
from ._elasticface import ElasticFace as ElasticFace
from ._l2softmax import L2Softmax as L2Softmax
from ._lsoftmax import LSoftmax as LSoftmax
from ._magface import MagFace as MagFace
from ._margin import Geometry as Geometry
from ._margin import Margin as Margin
from ._margin import Rows as Rows
from ._normface import NormFace as NormFace
from ._p2sgrad import P2SGrad as P2SGrad
from ._parse import known as known
from ._parse import parse as parse
from ._softmax import Softmax as Softmax
from ._sphereface2 import SphereFace2 as SphereFace2
from ._uniface import UniFace as UniFace

__all__ = [
    "COCO",
    "ASoftmax",
    "AdaCos",
    "AdaFace",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "ElasticFace",
    "L2Softmax",
    "LSoftmax",
    "MagFace",
    "NormFace",
    "P2SGrad",
    "Softmax",
    "SphereFace2",
    "UniFace",
]
