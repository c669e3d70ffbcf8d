"""Loops of one's own over many processes, as docs/homes.md has them: five steps are those of one process."""

import warnings

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cones import ArcFace, ClassSGD, Head
from cones.backbones import over_ranks
from tests.world import in_world

K, D, N, STEPS = 23, 5, 7, 5


def backbone():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.PReLU(), nn.Linear(8, D)).double()


def head(group=None):
    torch.manual_seed(1)
    return Head(D, K, ArcFace(0.2, 8.0), bias=True, learn_scale=True, group=group, dtype=torch.float64)


def batch(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(N, 6, generator=generator, dtype=torch.float64)
    return x, torch.randint(K, (N,), generator=generator)


def one_process(class_sgd):
    warnings.filterwarnings("ignore", "there are . processes")  # here it is alone on purpose
    net, last = backbone(), head()
    learnt = [*net.parameters(), *(p for p in last.parameters() if p is not last.weight or not class_sgd)]
    optimizer = torch.optim.SGD(learnt, lr=0.1, momentum=0.9)
    of_classes = ClassSGD(last, lr=0.1, momentum=0.9) if class_sgd else None
    for step in range(STEPS):
        x, y = batch(step)
        optimizer.zero_grad()
        last(net(x), y).backward()
        optimizer.step()
        if of_classes is not None:
            of_classes.step()
    return net, last


def plain(net, group):
    return net


def ddp(net, group):
    return DistributedDataParallel(net, process_group=group)


def fsdp(net, group):
    from torch.distributed.fsdp import fully_shard

    fully_shard(net)
    return net


def loop(rank, world, wrap, class_sgd):
    group = dist.group.WORLD
    net, last = over_ranks(backbone(), group), head(group)
    wrapped = wrap(net, group)
    learnt = [*net.parameters(), *(p for p in last.parameters() if p is not last.weight or not class_sgd)]
    optimizer = torch.optim.SGD(learnt, lr=0.1, momentum=0.9, foreach=False)
    of_classes = ClassSGD(last, lr=0.1, momentum=0.9) if class_sgd else None
    for step in range(STEPS):
        x, y = (part.tensor_split(world)[rank] for part in batch(step))
        optimizer.zero_grad()
        loss = last(wrapped(x), y) * (world * len(x) / N)  # shares of the batch are not equal
        loss.backward()
        if wrap is plain:
            for parameter in net.parameters():
                dist.all_reduce(parameter.grad)
                parameter.grad /= world
        optimizer.step()
        if of_classes is not None:
            of_classes.step()
    ours, whole = one_process(class_sgd)
    full = {n: p.full_tensor() if hasattr(p, "full_tensor") else p for n, p in net.state_dict().items()}
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(full[name], value, rtol=0, atol=1e-9)
    mine = slice(last.classes.start, last.classes.stop)
    torch.testing.assert_close(last.weight, whole.weight[mine], rtol=0, atol=1e-9)
    torch.testing.assert_close(last.bias, whole.bias[mine], rtol=0, atol=1e-9)
    torch.testing.assert_close(last.scale, whole.scale, rtol=0, atol=1e-9)


def every_way(rank, world):
    for wrap in (plain, ddp, fsdp):
        for class_sgd in (False, True):
            loop(rank, world, wrap, class_sgd)
    mistaken(rank, world)


class Net(nn.Module):
    """A backbone and a head that shares its classes."""

    def __init__(self, group):
        super().__init__()
        self.backbone, self.head = backbone(), Head(D, K, ArcFace(0.2, 8.0), group=group, dtype=torch.float64)

    def forward(self, x, y):
        return self.head(self.backbone(x), y)


def mistaken(rank, world):
    from torch.distributed.fsdp import fully_shard

    net = Net(dist.group.WORLD)
    fully_shard(net)
    with pytest.raises(RuntimeError, match=r"fully_shard has taken its weight, and mixes the rows of all ranks"):
        net(*batch(0))
    net = Net(dist.group.WORLD)
    fully_shard(net, ignored_params=set(net.head.parameters()))
    net(*batch(0)).backward()


@pytest.mark.parametrize("world", [3])
def test_five_steps_are_those_of_one_process(world):
    in_world(world, every_way)
