"""A backbone that several processes train together: DistributedDataParallel, or FSDP's sharded parameters."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..backbones.over_ranks import over_ranks
from ._world import World


def parallel(backbone: nn.Module, world: World, *, sharded: bool) -> tuple[nn.Module, nn.Module]:
    """Prepare a backbone for training on all ranks; alone it stays as it is.

    Args:
        backbone: the same on every rank; changed in place.
        world: the ranks.
        sharded: whether each rank holds a share of every parameter, gathered for the computation alone.

    Returns:
        the backbone, whose `state_dict()` is saved, and the module to call in training: its gradients are averaged over
        the ranks.
    """
    if world.group is None:
        return backbone, backbone
    backbone = over_ranks(backbone, world.group)
    if not any(parameter.requires_grad for parameter in backbone.parameters()):
        return backbone, backbone
    if sharded:
        return backbone, _sharded(backbone, world)
    # buffers are the same on every rank; the argument that says so has two names
    new = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    alike: dict[str, Any] = {"forward_sync_buffers" if new else "broadcast_buffers": False}
    return backbone, DistributedDataParallel(backbone, process_group=world.group, **alike)


@contextmanager
def gradients(net: nn.Module, *, complete: bool) -> Iterator[None]:
    """Average the gradients of a forward and a backward over the ranks only where they complete those of a step."""
    if isinstance(net, DistributedDataParallel) and not complete:
        with net.no_sync():
            yield
        return
    if hasattr(net, "set_requires_gradient_sync"):
        cast(Any, net).set_requires_gradient_sync(complete)
    yield


def clip(parameters: list[Tensor], shares: set[Tensor], largest: float, world: World) -> None:
    """Scale all gradients down to a norm, which counts the gradient of every parameter once.

    Args:
        parameters: everything learnt.
        shares: those of which each rank has its own rows; so it is with DTensors too.
        largest: the norm, above 0.
        world: the ranks.
    """
    if world.group is None:
        nn.utils.clip_grad_norm_(parameters, largest)
        return
    own: list[Tensor] = []
    alike: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None:
            (own if parameter in shares or is_sharded(parameter) else alike).append(local(parameter.grad))
    device = parameters[0].device
    squares = [sum((g.double().square().sum() for g in each), torch.zeros((), device=device)) for each in (own, alike)]
    norm = (world.sum(squares[0]) + squares[1]).sqrt()
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)
    for gradient in own + alike:
        gradient.mul_(factor.to(gradient.dtype))


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor, of which each rank holds a part."""
    return hasattr(tensor, "to_local")


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a DTensor, or the tensor itself."""
    part: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def _sharded(backbone: nn.Module, world: World) -> nn.Module:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import fully_shard

    device = next(backbone.parameters()).device.type
    for parameter in backbone.parameters():
        parameter.data = parameter.data.contiguous()  # FSDP takes no other layout
    mesh = DeviceMesh.from_group(world.group, device)
    for child in backbone.children():
        if any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh)
    fully_shard(backbone, mesh=mesh)
    return backbone
