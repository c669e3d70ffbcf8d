"""A small run whose tensors hold numbers that tell every place from every other, on any number of ranks."""

from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from cones import AdaFace, ClassSGD, Head
from cones.feature_losses import CenterLoss
from cones.training import JointLoss, Position

CLASSES, DIM, CENTERS = 11, 6, 2
NAMES = tuple(f"person {number}" for number in range(CLASSES))
POSITION = Position(step=3, epoch=1, batch=2, best_accuracy=0.1 + 0.2)


def number(row, column):
    """A number that no other place in any tensor has."""
    return (row.double() * 1000 + column + 0.125 * row.double().sin()).float()


def state_of(name, shape, first=0):
    """Values of a tensor of that name, from row `first` on: every row has values of its own."""
    seed = sum(name.encode())
    rows = torch.arange(first, first + (shape[0] if shape else 1))
    width = max(1, int(torch.Size(shape[1:]).numel()))
    values = torch.stack([number(rows + seed, column) for column in range(width)], dim=1)
    return values.reshape(shape)


def parts(
    group: Any = None,
    *,
    optimizer: str = "adamw",
    backbone: str = "plain",
    filled: bool = False,
    subcenters: int = CENTERS,
    num_classes: int = CLASSES,
) -> tuple[nn.Module, JointLoss, Any]:
    """A small net, its joint loss and its optimisers; `filled` with values that depend on the place alone."""
    torch.manual_seed(0)
    weights = torch.rand(num_classes)
    net: nn.Module = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, DIM))
    head = Head(
        DIM, num_classes, AdaFace(scale=18.0), bias=True, subcenters=subcenters, group=group, class_weights=weights
    )
    loss = JointLoss(head, [(0.1, CenterLoss(num_classes, DIM))])
    if backbone == "fsdp":
        mesh = DeviceMesh.from_group(group, "cpu")
        fully_shard(net.get_submodule("0"), mesh=mesh)
        fully_shard(net, mesh=mesh)
    elif backbone == "ddp":
        net = DistributedDataParallel(net, process_group=group)
    if optimizer == "class":
        others = [p for p in loss.parameters() if p is not head.weight]
        optimizers: list[Any] = [
            torch.optim.SGD([{"params": [*net.parameters()]}, {"params": others}], lr=0.1, momentum=0.9),
            ClassSGD(head, lr=0.1, momentum=0.9),
        ]
    else:
        kind = torch.optim.AdamW if optimizer == "adamw" else torch.optim.SGD
        extra: dict[str, Any] = {} if optimizer == "adamw" else {"momentum": 0.9}
        optimizers = [kind([{"params": [*net.parameters()]}, {"params": [*loss.parameters()]}], lr=0.1, **extra)]
    if filled:
        fill(net, loss, optimizers)
    return net, loss, optimizers if len(optimizers) > 1 else optimizers[0]


def rows(head, name):
    per_class = {"head.weight": head.subcenters, "head.bias": 1}
    return head.classes.start * per_class[name] if name in per_class else 0


@torch.no_grad()
def fill(net, loss, optimizers):
    plain = net.module if isinstance(net, DistributedDataParallel) else net
    named = {**{f"b.{n}": p for n, p in plain.named_parameters()}, **dict(loss.named_parameters())}
    for name, parameter in named.items():
        place(parameter, name, rows(loss.head, name))
        for one in optimizers:
            if not any(parameter is p for group in one.param_groups for p in group["params"]):
                continue
            keys = ("exp_avg", "exp_avg_sq") if isinstance(one, torch.optim.AdamW) else ("momentum_buffer",)
            for key in keys:
                one.state[parameter][key] = torch.zeros_like(parameter)
                place(one.state[parameter][key], name + key, rows(loss.head, name))
            if len(keys) == 2:
                one.state[parameter]["step"] = torch.tensor(3.0)
    for module in (plain, loss):
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point():
                place(buffer, name, 0)


def place(tensor, name, first):
    if isinstance(tensor, DTensor):
        (chunk,) = tensor.__create_chunk_list__()
        local = tensor.to_local()
        if local.numel():
            local.copy_(state_of(name, local.shape, chunk.offsets[0]))
    else:
        tensor.copy_(state_of(name, tensor.shape, first))


def values(net, loss, optimizers):
    """All tensors of a run as this rank has them, by name."""
    plain = net.module if isinstance(net, DistributedDataParallel) else net
    result = {f"b.{name}": tensor for name, tensor in plain.state_dict().items()}
    result |= {name: tensor for name, tensor in loss.state_dict().items() if "classes_held" not in name}
    optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
    for place, one in enumerate(optimizers):
        for at, group in enumerate(one.param_groups):
            for index, parameter in enumerate(group["params"]):
                for key, value in one.state[parameter].items():
                    result[f"{place} {at} {index} {key}"] = value
    return {name: t.to_local() if isinstance(t, DTensor) else t for name, t in result.items()}


def assert_filled(actual, **settings):
    expected = values(*parts(filled=True, **settings))
    got = values(*actual)
    assert got.keys() == expected.keys()
    for name in expected:
        assert torch.equal(got[name], expected[name]), name
    first = actual[2][0] if isinstance(actual[2], list) else actual[2]
    assert first.param_groups[0]["lr"] == 0.1
