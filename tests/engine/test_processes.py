"""Heads of several processes that are wrapped wrongly or built differently: an error or a warning at the first step."""

import copy
import io
import warnings
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cones import ArcFace, ClassSGD, CosFace, Head, margin_softmax
from tests.world import in_world


class Net(nn.Module):
    """A backbone and a head, wrapped together."""

    def __init__(self, **options):
        super().__init__()
        self.backbone = nn.Linear(5, 5)
        self.head = Head(5, 24, ArcFace(0.2, 8.0), **options)

    def forward(self, x, y):
        return self.head(self.backbone(x), y)


def batch():
    return torch.randn(4, 5), torch.randint(24, (4,))


def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(each.message) for each in caught if "processes" in str(each.message)]


def wrapping(rank, world):
    x, y = batch()
    # neither wrapped nor shared: each process trains a weight of its own
    alone = Net()
    assert len(told(lambda: [alone(x, y) for _ in range(3)])) == 1
    assert "2 processes, but this head is neither inside" in told(lambda: Net()(x, y))[0]
    assert told(lambda: Net().eval()(x, y)) == []
    # wrapped with the backbone, wrapped alone, shared: one model
    wrapped = DistributedDataParallel(Net())
    assert told(lambda: wrapped(x, y).backward()) == []
    assert told(lambda: DistributedDataParallel(Head(5, 24, ArcFace(0.2, 8.0)))(x, y)) == []
    assert told(lambda: Net(group=dist.group.WORLD)(x, y)) == []
    # moved in the backward, before gradients are averaged
    moved = Net()
    ClassSGD(moved.head, lr=0.1)
    with pytest.raises(
        RuntimeError, match=r"ClassSGD moves W in the backward, before DistributedDataParallel averages"
    ):
        DistributedDataParallel(moved)(x, y)
    # shared and wrapped: every rank would have rank 0's rows
    with pytest.raises(RuntimeError, match=r"replaced every rank's rows of W by those of rank 0.*'head.weight'"):
        DistributedDataParallel(Net(group=dist.group.WORLD))(x, y)
    shared = Net(group=dist.group.WORLD)
    before = shared.head.weight.detach().clone()
    names = [name for name, _ in shared.named_parameters() if name.startswith("head.")]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(shared, names)
    DistributedDataParallel(shared)(x, y).backward()
    assert torch.equal(shared.head.weight, before)


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"margin": 0.2}, {"margin": 0.3}, r"margin is ArcFace\(margin=0.2.*on rank 0, ArcFace\(margin=0.3.*on rank 1"),
    ({"scale": 8.0}, {"scale": 9.0}, r"scale=8.0.*on rank 0.*scale=9.0.*on rank 1"),
    ({"learn_scale": True}, {}, r"learn_scale is True on rank 0, False on rank 1"),
    ({"compute_dtype": torch.bfloat16}, {}, r"compute_dtype is torch.bfloat16 on rank 0, None on rank 1"),
    ({"num_classes": 24}, {"num_classes": 22}, r"num_classes is 24 on rank 0, 22 on rank 1"),
    ({"in_features": 5}, {"in_features": 6}, r"in_features is 5 on rank 0, 6 on rank 1"),
    ({"subcenters": 2}, {}, r"subcenters is 2 on rank 0, 1 on rank 1"),
    ({"version": "0.0.9"}, {}, r"the version of cones is 0.0.9 on rank 0"),
]


def disagreeing(rank, world):
    import cones

    version = cones.__version__
    for first, second, text in DIFFERENT:
        given = dict(second if rank else first)
        margin = ArcFace(margin=given.pop("margin", 0.2), scale=given.pop("scale", 8.0))
        cones.__version__ = given.pop("version", version)
        dim = given.pop("in_features", 5)
        head = Head(dim, given.pop("num_classes", 24), margin, group=dist.group.WORLD, **given)
        with pytest.raises(ValueError, match=text):
            head(torch.randn(4, dim), torch.randint(20, (4,)))
        cones.__version__ = version
    head = Head(5, 24, ArcFace(0.2, 8.0), group=dist.group.WORLD)
    head(*batch())
    head.margin = CosFace() if rank else ArcFace(0.2, 8.0)
    with pytest.raises(ValueError, match=r"disagree: margin is ArcFace.*on rank 0, CosFace.*on rank 1"):
        head(*batch())
    with pytest.raises(ValueError, match=r"disagree: label_smoothing is 0.0 on rank 0, 0.1 on rank 1"):
        margin_softmax(
            torch.randn(4, 5), torch.randn(3, 5), torch.randint(6, (4,)), ArcFace(), group=dist.group.WORLD,
            label_smoothing=0.1 * rank,
        )  # fmt: skip


def copies(rank, world):
    x, y = batch()
    head = Head(5, 24, ArcFace(0.2, 8.0), group=dist.group.WORLD)
    twin = copy.deepcopy(head)
    assert twin.group is head.group
    assert torch.equal(twin(x, y), head(x, y))
    file = io.BytesIO()
    torch.save(head, file)
    file.seek(0)
    read = torch.load(file, weights_only=False)
    with pytest.raises(RuntimeError, match=r"group is None, but the head holds classes \d+..\d+ of 24.*set head.group"):
        read(x, y)
    read.group = dist.group.WORLD
    assert torch.equal(read(x, y), head(x, y))


def ignored(rank, world):
    torch.manual_seed(0)
    x, y = torch.randn(6, 5), torch.arange(6)
    head = Head(5, 24, ArcFace(0.2, 8.0), group=dist.group.WORLD)
    y[1], y[3] = -100, -100
    mine = slice(3 * rank, 3 * rank + 3)
    losses = head(x[mine], y[mine], "none")
    kept = y[mine] >= 0
    assert (losses[~kept] == 0).all()
    torch.testing.assert_close(losses[kept], head(x[mine][kept], y[mine][kept], "none"))
    y[2] = 99
    with pytest.raises(ValueError, match=r"labels\[2\] is 99" if rank == 0 else "labels are wrong on rank 0"):
        head(x[mine], y[mine])


def test_wrappings_disagreements_copies_and_ignored_rows():
    in_world(2, everything)


def everything(rank, world):
    """All in one start of the processes, which is what takes time."""
    for each in (wrapping, disagreeing, copies, ignored):
        each(rank, world)


def checkpointed(rank, world, folder):
    torch.manual_seed(0)
    head, other = (Head(5, 24, ArcFace(0.2, 8.0), group=dist.group.WORLD) for _ in range(2))
    own = head.state_dict()
    assert own["classes_held"].tolist() == [12 * rank, 12 * rank + 12]
    other.load_state_dict(own)
    assert torch.equal(other.weight, head.weight)
    other(*batch())
    # the other rank's rows, of the same shape
    rows: list[Any] = [None] * world
    dist.all_gather_object(rows, own)
    with pytest.raises(RuntimeError, match=rf"holds classes {12 * rank}\.\..* of 24, but the checkpoint has classes "):
        other.load_state_dict(rows[1 - rank])
    # read in place, of which the module hears nothing: one rank's rows for all, and one rank's range
    state = {"head": head.state_dict()}
    dcp.save(state, checkpoint_id=folder)
    dcp.load(state, checkpoint_id=folder)
    refused = head.classes_held.tolist() != [12 * rank, 12 * rank + 12]
    dist.all_gather_object(rows, refused)
    assert sorted(rows) == [False, True]
    if refused:
        with pytest.raises(RuntimeError, match=r"torch.distributed.checkpoint alone keeps one rank's rows"):
            head(*batch())


def test_the_rows_of_another_rank_are_not_loaded(tmp_path):
    in_world(2, checkpointed, tmp_path / "checkpoint")
