import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from ..common.expressions import brief, call, did_you_mean, evaluate, import_paths, parse_tree
from ..common.import_path import import_path
from ._lenets import LeNets
from ._lsoftmax_net import LSoftmaxNet
from ._mlp import MLP
from ._resnet import ResNet

NAMES = ("lenets", "lsoftmax-net", "resnet", "mlp", "identity")
"""Backbones by name, as `--backbone` takes them."""


def build(
    name: str, input_shape: Sequence[int], feature_dim: int, width: float = 1.0, *, trust: bool = True
) -> nn.Module:
    """A backbone by name, or by the import path of your own.

    Args:
        name: "lenets", "lsoftmax-net", "resnet" (images), "mlp", "identity" (vectors), or "package.module:Net" or
            "package.module:Net(depth=3)", a subclass of nn.Module or a function of that module, which is called with
            just the fields written. The module is imported from the current folder first.
        input_shape: of one input, (C, H, W) or (features,).
        feature_dim: D; a net of your own says its D itself.
        width: factor on the channels of the named nets.
        trust: whether a net of your own may be imported; False for a name from a file that somebody else may have
            written.

    Returns:
        a module from (N, *input_shape) to (N, D).

    Raises:
        TrustError: the name is an import path, and trust is False.
        ValueError: the name is unknown, the net does not fit the input, or an import path leads to no net.
    """
    if ":" in name:
        return _build_own(name, trust)
    check_name(name)
    if name == "identity":
        return nn.Flatten()
    if name == "mlp":
        return MLP(int(torch.Size(input_shape).numel()), feature_dim)
    if len(input_shape) != 3:
        raise ValueError(f"backbone {name} takes images, but inputs have shape {tuple(input_shape)}: use mlp")
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


def check_name(name: str) -> None:
    """Raise ValueError unless `name` is that of a backbone, or the import path of one, which is imported."""
    if ":" in name:
        for path in import_paths(name):
            _own(path, trust=True)
    elif name.partition("(")[0].strip() in NAMES and name not in NAMES:
        known = name.partition("(")[0].strip()
        raise ValueError(f"backbone is {brief(name)!r}, but {known} takes no fields here: write {known}")
    elif name not in NAMES:
        raise ValueError(
            f"backbone is {brief(name)!r}{did_you_mean(name, NAMES)}; expected one of {', '.join(NAMES)}, or "
            "package.module:Net"
        )


def _build_own(text: str, trust: bool) -> nn.Module:
    def make(name: str, fields: dict[str, Any]) -> object:
        return call({name: _own(name, trust)} if ":" in name else {}, "backbone", name, fields)

    net = evaluate(parse_tree(text), make)
    if not isinstance(net, nn.Module):
        raise ValueError(f"backbone {brief(text)!r} returned a {type(net).__name__}, expected a torch.nn.Module")
    return net


def _own(name: str, trust: bool) -> Callable[..., object]:
    """Import the class or function that `name`, "package.module:Net", denotes.

    To call anything that can be imported would be to run any command: subprocess:call is a name too.
    """
    network = import_path(name, trust=trust)
    if isinstance(network, type) and issubclass(network, nn.Module):
        return network
    module = name.rpartition(":")[0]
    if inspect.isfunction(network) and network.__module__.partition(".")[0] not in sys.stdlib_module_names:
        if network.__module__ == module:
            return network
        raise ValueError(
            f"backbone {brief(name)} is a function of {network.__module__}: name it there, "
            f"{network.__module__}:{network.__name__}"
        )
    raise ValueError(
        f"backbone {brief(name)} is {brief(repr(network))}, expected a subclass of torch.nn.Module or a function "
        f"defined in {module}"
    )
