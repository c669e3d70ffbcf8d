"""cones: train embeddings that separate.

Every class ends in its own narrow cone around its class direction. `Head` holds the class weights and a margin;
`head(features, labels)` is the loss, `head.logits(features)` predicts.
"""

from . import bounds as bounds
from .class_sgd import ClassSGD as ClassSGD
from .feature_losses import CenterLoss as CenterLoss
from .feature_losses import FeatureIncay as FeatureIncay
from .feature_losses import RingLoss as RingLoss
from .head import Head as Head
from .layers import CosineConv2d as CosineConv2d
from .layers import CosineLinear as CosineLinear
from .margins import COCO as COCO
from .margins import ArcFace as ArcFace
from .margins import ASoftmax as ASoftmax
from .margins import CombinedMargin as CombinedMargin
from .margins import CosFace as CosFace
from .margins import L2Softmax as L2Softmax
from .margins import LSoftmax as LSoftmax
from .margins import Margin as Margin
from .margins import NormFace as NormFace
from .margins import Rows as Rows
from .margins import Softmax as Softmax
from .probability import cross_entropy as cross_entropy
from .probability import softmax_loss as softmax_loss
from .softmax import dense_margin_softmax as dense_margin_softmax
from .softmax import margin_softmax as margin_softmax
from .suggestion import Suggestion as Suggestion
from .suggestion import suggest as suggest

__version__ = "0.1.0"

__all__ = [
    "COCO",
    "ASoftmax",
    "ArcFace",
    "CenterLoss",
    "ClassSGD",
    "CombinedMargin",
    "CosFace",
    "CosineConv2d",
    "CosineLinear",
    "FeatureIncay",
    "Head",
    "L2Softmax",
    "LSoftmax",
    "Margin",
    "NormFace",
    "RingLoss",
    "Rows",
    "Softmax",
    "Suggestion",
    "cross_entropy",
    "dense_margin_softmax",
    "margin_softmax",
    "softmax_loss",
    "suggest",
]
