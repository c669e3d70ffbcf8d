"""cones: train embeddings that separate.

Every class ends in its own narrow cone around its class direction. `Head` holds the class weights and a margin;
`head(features, labels)` is the loss, `head.logits(features)` predicts.
"""

from dataclasses import is_dataclass
from importlib import import_module
from inspect import isclass
from types import ModuleType
from typing import TYPE_CHECKING

from .common import interrupts

interrupts.leave_quietly()

import torch

from . import bounds as bounds
from . import feature_losses as feature_losses
from . import margins as margins
from . import subcenters as subcenters
from .class_sgd import ClassSGD as ClassSGD
from .engine import planner as planner
from .engine.dense import dense_margin_softmax as dense_margin_softmax
from .engine.softmax import margin_softmax as margin_softmax
from .feature_losses import MHE as MHE
from .feature_losses import UNPG as UNPG
from .feature_losses import VPL as VPL
from .feature_losses import BatchCOCO as BatchCOCO
from .feature_losses import CenterLoss as CenterLoss
from .feature_losses import CirclePairs as CirclePairs
from .feature_losses import ContrastiveAgents as ContrastiveAgents
from .feature_losses import ContrastiveCenter as ContrastiveCenter
from .feature_losses import DiscFace as DiscFace
from .feature_losses import FeatureIncay as FeatureIncay
from .feature_losses import RegularFace as RegularFace
from .feature_losses import RingLoss as RingLoss
from .feature_losses import TripletAgents as TripletAgents
from .head import Head as Head
from .layers import CosineConv2d as CosineConv2d
from .layers import CosineLinear as CosineLinear
from .linter import MarginReport as MarginReport
from .linter import check_margin as check_margin
from .margins import COCO as COCO
from .margins import LDAM as LDAM
from .margins import AdaCos as AdaCos
from .margins import AdaFace as AdaFace
from .margins import ArcFace as ArcFace
from .margins import ArcNegFace as ArcNegFace
from .margins import ASoftmax as ASoftmax
from .margins import CircleLoss as CircleLoss
from .margins import CombinedMargin as CombinedMargin
from .margins import CosFace as CosFace
from .margins import CurricularFace as CurricularFace
from .margins import ElasticFace as ElasticFace
from .margins import L2Softmax as L2Softmax
from .margins import LMSoftmax as LMSoftmax
from .margins import LogitAdjusted as LogitAdjusted
from .margins import LSoftmax as LSoftmax
from .margins import MagFace as MagFace
from .margins import Margin as Margin
from .margins import MVSoftmax as MVSoftmax
from .margins import NormFace as NormFace
from .margins import NPCFace as NPCFace
from .margins import P2SGrad as P2SGrad
from .margins import Rows as Rows
from .margins import Softmax as Softmax
from .margins import SphereFace2 as SphereFace2
from .margins import SphereFaceR as SphereFaceR
from .margins import UniFace as UniFace
from .margins import X2Softmax as X2Softmax
from .margins import parse as parse
from .probability import cross_entropy as cross_entropy
from .probability import softmax as softmax
from .probability import softmax_loss as softmax_loss
from .suggestion import Suggestion as Suggestion
from .suggestion import suggest as suggest

interrupts.act_as_usual()

__version__ = "0.1.0"

_LAZY = (
    "backbones", "catalogue", "data", "embedding", "evaluation", "export", "migrate", "open_set", "plots", "protocols",
    "training",
)  # fmt: skip

if TYPE_CHECKING:  # a type checker sees the modules themselves, and so every name that is not there
    from . import backbones as backbones
    from . import catalogue as catalogue
    from . import data as data
    from . import embedding as embedding
    from . import evaluation as evaluation
    from . import export as export
    from . import migrate as migrate
    from . import open_set as open_set
    from . import plots as plots
    from . import protocols as protocols
    from . import training as training
else:

    def __getattr__(name: str) -> ModuleType:
        """Import a submodule when it is first asked for, so that `import cones` needs PyTorch alone."""
        if name in _LAZY:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LAZY})


__all__ = [
    "COCO",
    "LDAM",
    "MHE",
    "UNPG",
    "VPL",
    "ASoftmax",
    "AdaCos",
    "AdaFace",
    "ArcFace",
    "ArcNegFace",
    "BatchCOCO",
    "CenterLoss",
    "CircleLoss",
    "CirclePairs",
    "ClassSGD",
    "CombinedMargin",
    "ContrastiveAgents",
    "ContrastiveCenter",
    "CosFace",
    "CosineConv2d",
    "CosineLinear",
    "CurricularFace",
    "DiscFace",
    "ElasticFace",
    "FeatureIncay",
    "Head",
    "L2Softmax",
    "LMSoftmax",
    "LSoftmax",
    "LogitAdjusted",
    "MVSoftmax",
    "MagFace",
    "Margin",
    "MarginReport",
    "NPCFace",
    "NormFace",
    "P2SGrad",
    "RegularFace",
    "RingLoss",
    "Rows",
    "Softmax",
    "SphereFace2",
    "SphereFaceR",
    "Suggestion",
    "TripletAgents",
    "UniFace",
    "X2Softmax",
    "check_margin",
    "cross_entropy",
    "dense_margin_softmax",
    "margin_softmax",
    "parse",
    "softmax",
    "softmax_loss",
    "subcenters",
    "suggest",
]

# A file names a class by its public place, so that it is found wherever it is defined. A loss that is a plain value,
# such as a margin among the settings in a checkpoint, is read by torch.load(weights_only=True) too.
for _name in __all__:
    if isclass(globals()[_name]):
        globals()[_name].__module__ = __name__
torch.serialization.add_safe_globals(
    [globals()[_name] for _name in (*margins.known(), *feature_losses.__all__) if is_dataclass(globals()[_name])]
)
