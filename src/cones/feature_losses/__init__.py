"""Losses on features that join a margin-softmax loss: L = L_softmax + lambda L_feature. No lambda is inside."""

from ._center import CenterLoss as CenterLoss
from ._incay import FeatureIncay as FeatureIncay
from ._ring import RingLoss as RingLoss
from ._unpg import UNPG as UNPG
from ._vpl import VPL as VPL

__all__ = ["UNPG", "VPL", "CenterLoss", "FeatureIncay", "RingLoss"]
