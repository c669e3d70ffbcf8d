import ast
import importlib
from collections.abc import Sequence

import torch
from torch import nn

from ..notation import call, did_you_mean, evaluate, parse_tree
from ._lenets import LeNets
from ._lsoftmax_net import LSoftmaxNet
from ._mlp import MLP
from ._resnet import ResNet

NAMES = ("lenets", "lsoftmax-net", "resnet", "mlp", "identity")


def build(name: str, input_shape: Sequence[int], feature_dim: int, width: float = 1.0) -> nn.Module:
    """A backbone by name, or by the import path of your own.

    Args:
        name: "lenets", "lsoftmax-net", "resnet" (images), "mlp", "identity" (vectors), or "package.module:Net" or
            "package.module:Net(depth=3)", which is called with just the fields written.
        input_shape: of one input, (C, H, W) or (features,).
        feature_dim: D; a net of your own says its D itself.
        width: factor on the channels of the named nets.

    Returns:
        a module from (N, *input_shape) to (N, D).

    Raises:
        ValueError: the name is unknown, the net does not fit the input, or an import path leads nowhere.
    """
    if ":" in name:
        return _import(name)
    if name not in NAMES:
        raise ValueError(
            f"backbone is {name!r}{did_you_mean(name, NAMES)}; there are {', '.join(NAMES)}, and package.module:Net"
        )
    if name == "identity":
        return nn.Flatten()
    if name == "mlp":
        return MLP(int(torch.Size(input_shape).numel()), feature_dim)
    if len(input_shape) != 3:
        raise ValueError(f"backbone {name} takes images, but an input has shape {tuple(input_shape)}: use mlp")
    channels, height, side = input_shape
    if height != side:
        raise ValueError(f"backbone {name} takes square images, but they are {height}x{side}: set an image size")
    match name:
        case "lenets":
            return LeNets(feature_dim, channels, side, width)
        case "lsoftmax-net":
            return LSoftmaxNet(feature_dim, channels, side, width)
        case _:
            return ResNet(feature_dim, channels, side, width)


def _import(path: str) -> nn.Module:
    module_name, _, text = path.partition(":")
    tree = parse_tree(text)
    name = tree.func.id if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) else text
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(f"backbone {path!r}: cannot import {module_name!r}: {error}") from error
    if not callable(getattr(module, name, None)):
        raise ValueError(f"backbone {path!r}: {module_name} has nothing to call named {name!r}")
    net = evaluate(tree, lambda written, fields: call({name: getattr(module, name)}, "backbone", written, fields))
    if not isinstance(net, nn.Module):
        raise ValueError(f"backbone {path!r} gave a {type(net).__name__}, expected a torch.nn.Module")
    return net
