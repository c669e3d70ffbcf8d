"""Losses of features, centers or class weights that join a margin-softmax loss: L = L_softmax + lambda L_k.

No lambda is inside.
"""

from ._batch_coco import BatchCOCO as BatchCOCO
from ._center import CenterLoss as CenterLoss
from ._circle_pairs import CirclePairs as CirclePairs
from ._contrastive_agents import ContrastiveAgents as ContrastiveAgents
from ._contrastive_center import ContrastiveCenter as ContrastiveCenter
from ._discface import DiscFace as DiscFace
from ._incay import FeatureIncay as FeatureIncay
from ._mhe import MHE as MHE
from ._regularface import RegularFace as RegularFace
from ._ring import RingLoss as RingLoss
from ._triplet_agents import TripletAgents as TripletAgents
from ._unpg import UNPG as UNPG
from ._vpl import VPL as VPL

__all__ = [name for name, kind in list(globals().items()) if isinstance(kind, type)]
