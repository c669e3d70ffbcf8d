"""Bytes of a step's collectives: the plan's list is that of the calls."""

from typing import Any
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import cones
from cones import Head
from cones.engine.rank_plan import Backbone, RankPlan
from cones.engine.ranks import shard
from cones.engine.traffic import Exchange, step_traffic
from tests.engine.collectives import recorded_bytes
from tests.world import in_world

DIM, CLASSES = 6, 23
ROWS = {2: [3, 5], 3: [4, 0, 3]}

CASES: list[tuple[cones.Margin, dict[str, Any]]] = [
    (cones.ArcFace(), {}),
    (cones.ArcFace(), {"bias": True}),
    (cones.ArcFace(), {"label_smoothing": 0.1}),
    (cones.ArcFace(), {"learn_scale": True}),
    (cones.ArcFace(), {"subcenters": 2}),
    (cones.ArcFace(), {"sample_rate": 0.5}),
    (cones.AdaFace(), {}),
    (cones.AdaFace(), {"bias": True, "label_smoothing": 0.1}),
    (cones.CurricularFace(), {}),
    (cones.CurricularFace(), {"bias": True, "label_smoothing": 0.1}),
    (cones.AdaCos(dynamic=True), {}),
    (cones.NPCFace(), {}),
    (cones.LogitAdjusted(tuple(range(1, CLASSES + 1))), {}),
    (cones.SphereFace2(), {"bias": True}),
    (cones.Softmax(), {}),
]


def expected(margin, options, rank, world, own_here, itemsize):
    traffic = step_traffic(
        margin, ROWS[world], DIM, rank=rank, own_here=own_here, subcenters=options.get("subcenters", 1),
        bias="bias" in options, label_smoothing="label_smoothing" in options, learn_scale="learn_scale" in options,
        itemsize=itemsize,
    )  # fmt: skip
    return [(each.kind, each.bytes) for each in traffic]


def step(rank, world, margin, options, dtype):
    """The calls of a step, and the rows whose class is on this rank."""
    torch.manual_seed(0)
    labels = torch.randint(CLASSES, (sum(ROWS[world]),))
    features = torch.randn(len(labels), DIM, dtype=dtype)
    mine = slice(sum(ROWS[world][:rank]), sum(ROWS[world][: rank + 1]))
    leaf = features[mine].clone().requires_grad_()
    start, stop = shard(CLASSES, rank, world)
    head = Head(DIM, CLASSES, margin, group=dist.group.WORLD, dtype=dtype, **options)
    with recorded_bytes() as calls:
        head(leaf, labels[mine]).backward()
    return calls, int(((labels >= start) & (labels < stop)).sum())


def steps_send_what_is_planned(rank, world):
    for margin, options in CASES:
        for dtype in (torch.float32, torch.float64) if margin == cones.ArcFace() else (torch.float32,):
            calls, own_here = step(rank, world, margin, options, dtype)
            planned = expected(margin, options, rank, world, own_here, dtype.itemsize)
            if "learn_scale" in options or isinstance(margin, cones.SphereFace2):  # of what is shared, in any order
                calls, planned = sorted(calls), sorted(planned)
            assert calls == planned, f"{margin} {options} {dtype}: {calls}, planned {planned}"
    class_sgd_sends_nothing_of_w(rank, world)
    many_labels_follow(rank, world)
    if world == 2:  # DistributedDataParallel takes seconds to import
        backbone_is_reduced_once(rank, world)


def class_sgd_sends_nothing_of_w(rank, world):
    head = Head(DIM, CLASSES, cones.ArcFace(), group=dist.group.WORLD)
    optimizer = cones.ClassSGD(head, lr=0.1, momentum=0.9)
    features = torch.randn(ROWS[world][rank], DIM, requires_grad=True)
    with recorded_bytes() as calls:
        head(features, torch.zeros(len(features), dtype=torch.int64)).backward()
        optimizer.step()
    own_here = 0 if rank else sum(ROWS[world])
    assert calls == expected(cones.ArcFace(), {}, rank, world, own_here, 4)


def many_labels_follow(rank, world):
    # the number of labels that travel with the sizes, where it is used and where it is counted
    fewer = [patch(f"cones.engine.{module}.LABELS_WITH_SIZES", 2) for module in ("ranks", "traffic")]
    with fewer[0], fewer[1]:
        calls, own_here = step(rank, world, cones.ArcFace(), {}, torch.float32)
        assert calls == expected(cones.ArcFace(), {}, rank, world, own_here, 4)


def backbone_is_reduced_once(rank, world):
    backbone = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Linear(7, DIM))
    wrapped, sizes = DistributedDataParallel(backbone), []

    def hook(_, bucket):
        sizes.append(bucket.buffer().nbytes)
        future: torch.futures.Future[torch.Tensor] = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    wrapped.register_comm_hook(None, hook)
    wrapped(torch.randn(3, 5)).sum().backward()
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    a_plan = RankPlan(cones.ArcFace(), CLASSES, DIM, 3, ranks=world, backbone=Backbone(parameters, 0))
    assert a_plan.traffic()[-1] == Exchange("gradients of the backbone", "all-reduce", sum(sizes))


@pytest.mark.parametrize("world", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_step_sends_the_planned_bytes(world):
    in_world(world, steps_send_what_is_planned)


def test_one_rank_sends_nothing():
    assert step_traffic(cones.CurricularFace(), [512], DIM) == []


@pytest.mark.parametrize(
    ("kind", "sent"), [("all-to-all", 750), ("all-gather", 3000), ("all-reduce", 1500)], ids=lambda value: str(value)
)
def test_bytes_that_leave_a_rank(kind, sent):
    assert Exchange("numbers", kind, 1000).sent(4) == sent
