"""Small nets from images or vectors to features (N, D); any torch module that does the same can take their place."""

from ._build import NAMES as NAMES
from ._build import build as build
from ._build import check_name as check_name
from ._lenets import LeNets as LeNets
from ._lsoftmax_net import LSoftmaxNet as LSoftmaxNet
from ._mlp import MLP as MLP
from ._resnet import ResNet as ResNet
from .over_ranks import over_ranks as over_ranks

__all__ = ["MLP", "NAMES", "LSoftmaxNet", "LeNets", "ResNet", "build", "check_name", "over_ranks"]
