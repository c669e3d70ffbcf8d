"""Softmax-margin losses, one per file: frozen dataclasses whose fields are the hyperparameters."""

from ._adacos import AdaCos as AdaCos
from ._adaface import AdaFace as AdaFace
from ._arcface import ArcFace as ArcFace
from ._arcnegface import ArcNegFace as ArcNegFace
from ._asoftmax import ASoftmax as ASoftmax
from ._circleloss import CircleLoss as CircleLoss
from ._coco import COCO as COCO
from ._combined import CombinedMargin as CombinedMargin
from ._cosface import CosFace as CosFace
from ._curricularface import CurricularFace as CurricularFace
from ._elasticface import ElasticFace as ElasticFace
from ._l2softmax import L2Softmax as L2Softmax
from ._ldam import LDAM as LDAM
from ._lmsoftmax import LMSoftmax as LMSoftmax
from ._logit_adjusted import LogitAdjusted as LogitAdjusted
from ._lsoftmax import LSoftmax as LSoftmax
from ._magface import MagFace as MagFace
from ._margin import Combine as Combine
from ._margin import Geometry as Geometry
from ._margin import Margin as Margin
from ._margin import Rows as Rows
from ._margin import with_others_summaries as with_others_summaries
from ._mvsoftmax import MVSoftmax as MVSoftmax
from ._normface import NormFace as NormFace
from ._npcface import NPCFace as NPCFace
from ._p2sgrad import P2SGrad as P2SGrad
from ._parse import known as known
from ._parse import name_of as name_of
from ._parse import parse as parse
from ._parse import written as written
from ._softmax import Softmax as Softmax
from ._sphereface2 import SphereFace2 as SphereFace2
from ._spherefacer import SphereFaceR as SphereFaceR
from ._uniface import UniFace as UniFace
from ._x2softmax import X2Softmax as X2Softmax

__all__ = [name for name in list(globals()) if not name.startswith("_")]
