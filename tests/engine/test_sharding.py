"""Classes sharded over processes: the same losses and gradients as in one process, for any shards.

A rank's loss is the mean over its own rows; every gradient is the average over the ranks.
"""

from typing import Any
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist

import cones
from cones import Head
from cones.engine.collective import replicated
from cones.engine.ranks import shard
from tests.engine.collectives import counted_collectives
from tests.engine.contract import dense
from tests.losses import ARTIFICIAL, EVERY_MARGIN, of_classes, problem, statistics_of
from tests.narrowing import grad_of, not_none
from tests.world import in_world

ROWS = {1: [7], 2: [3, 4], 3: [3, 0, 4]}
"""Rows of features on each rank."""


def margins_for(num_classes):
    return [of_classes(margin, range(num_classes)) for margin in (*EVERY_MARGIN, *ARTIFICIAL)]


def average_of_means(losses, rows):
    """The mean over ranks of the mean over each one's rows."""
    parts = losses.split(rows)
    return sum(part.sum() / max(len(part), 1) for part in parts) / len(parts)


def compare(rank, world, num_classes, budget, subcenters, smoothing):
    x, w, y, b = problem(k=num_classes * subcenters)
    y, b = y % num_classes, b[:num_classes]
    rows, (start, stop) = ROWS[world], shard(num_classes, rank, world)
    mine = slice(sum(rows[:rank]), sum(rows[: rank + 1]))
    for margin in margins_for(num_classes):
        if smoothing and not cones.engine.similarity.cross_entropy_of(margin):
            continue
        whole = [tensor.clone().requires_grad_() for tensor in (x, w, b)]
        expected = dense(whole[0], whole[1], y, margin, whole[2], subcenters=subcenters, label_smoothing=smoothing)
        average_of_means(expected, rows).backward()
        part = [
            tensor.clone().requires_grad_()
            for tensor in (x[mine], w[start * subcenters : stop * subcenters], b[start:stop])
        ]
        statistics = statistics_of(margin, num_classes)
        torch.manual_seed(rank)  # `dense` draws under seed 0, that of the first rank, which all use
        losses = cones.margin_softmax(
            part[0], part[1], y[mine], margin, bias=part[2], group=dist.group.WORLD, memory_budget=budget,
            subcenters=subcenters, label_smoothing=smoothing, statistics=statistics,
        )  # fmt: skip
        (losses.sum() / max(len(losses), 1)).backward()
        close: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-11, "msg": lambda text, margin=margin: f"{margin}\n{text}"}
        torch.testing.assert_close(losses, expected[mine], **close)
        # DistributedDataParallel divides what goes into the backbone by the number of ranks
        torch.testing.assert_close(grad_of(part[0]) / world, grad_of(whole[0])[mine], **close)
        torch.testing.assert_close(grad_of(part[1]), grad_of(whole[1])[start * subcenters : stop * subcenters], **close)
        torch.testing.assert_close(grad_of(part[2]), grad_of(whole[2])[start:stop], **close)


@pytest.mark.parametrize("world", [2, 3])
def test_every_margin_is_the_same_on_any_number_of_ranks(world):
    in_world(world, compare_all)


def compare_all(rank, world):
    for num_classes, budget in ((23, 2**28), (23, 1), (world, 2**28)):
        compare(rank, world, num_classes, budget, 1, 0.0)
    compare(rank, world, 23, 3000, 3, 0.0)
    compare(rank, world, 23, 2**28, 1, 0.1)


def heads(rank, world):
    """Head by head: start, learnt numbers, running numbers, logits, sampling, errors."""
    rows = ROWS[world]
    mine = slice(sum(rows[:rank]), sum(rows[: rank + 1]))
    x, _, y, _ = problem()
    for margin in (cones.ArcFace(0.2, 8.0), *ARTIFICIAL):
        torch.manual_seed(3)
        alone = Head(5, 23, margin, bias=True, learn_scale=True, subcenters=2, dtype=torch.float64)
        torch.manual_seed(3)
        head = Head(
            5, 23, margin, bias=True, learn_scale=True, subcenters=2, dtype=torch.float64, group=dist.group.WORLD
        )
        start, stop = head.classes.start, head.classes.stop
        torch.testing.assert_close(head.weight, alone.weight[2 * start : 2 * stop], rtol=0, atol=0)
        average_of_means(alone(x, y, reduction="none"), rows).backward()
        head(x[mine], y[mine]).backward()
        close: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-11}
        torch.testing.assert_close(grad_of(head.weight), grad_of(alone.weight)[2 * start : 2 * stop], **close)
        torch.testing.assert_close(grad_of(head.scale), grad_of(alone.scale), **close)
        shared = not_none(head.bias).dim() == 0
        torch.testing.assert_close(
            grad_of(head.bias), grad_of(alone.bias) if shared else grad_of(alone.bias)[start:stop], **close
        )
        torch.testing.assert_close(head.logits(x[mine]), alone.logits(x[mine]), **close)
        (gradient,) = torch.autograd.grad(head(x[mine], y[mine]), not_none(head.scale), create_graph=True)
        with pytest.raises(RuntimeError, match="no second derivative: use dense_margin_softmax"):
            gradient.square().backward()
    second_derivative_of_an_average(rank, world)


def second_derivative_of_an_average(rank, world):
    """With f_r = (r + 1) x^3 on rank r, of the average m x^3: (m 3 x^2)^2 has the slope 36 m^2 x^3."""
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    function = (rank + 1) * replicated(x, dist.group.WORLD) ** 3
    (gradient,) = torch.autograd.grad(function, x, create_graph=True)
    gradient.square().backward()
    assert x.grad == 36 * ((world + 1) / 2) ** 2 * 8


def running(rank, world):
    """Running numbers are those of one process that saw all rows, and the same everywhere."""
    rows = ROWS[world]
    mine = slice(sum(rows[:rank]), sum(rows[: rank + 1]))
    x, _, y, _ = problem()
    for margin in margins_for(23):
        if not margin.init_statistics(23):
            continue
        torch.manual_seed(3)
        alone = Head(5, 23, margin, dtype=torch.float64)
        torch.manual_seed(3)
        head = Head(5, 23, margin, dtype=torch.float64, group=dist.group.WORLD)
        for _ in range(3):
            alone(x, y)
            head(x[mine], y[mine])
        for name, number in alone.statistics().items():
            torch.testing.assert_close(head.statistics()[name], number, rtol=1e-6, atol=1e-6)


def test_running_numbers_are_those_of_all_rows():
    in_world(3, running)


SAMPLED: list[tuple[cones.Margin, dict[str, Any]]] = [
    (cones.ArcFace(0.2, 8.0), {}),
    (cones.ArcFace(0.2, 8.0), {"subcenters": 2, "bias": True}),
    (cones.ElasticFace(0.2, 8.0, plus=True), {"bias": True}),
    (cones.SphereFace2(scale=8.0), {"bias": True}),
    (cones.NPCFace(scale=8.0), {}),
    (cones.CurricularFace(scale=8.0), {}),
    (cones.AdaCos(), {}),
]
"""Closed and modified logits, one sum or one for each class, sums before the target, draws, running numbers."""


def sampled(rank, world):
    """The classes of a step, losses, gradients and running numbers are those of one process."""
    rows = ROWS[world]
    mine = slice(sum(rows[:rank]), sum(rows[: rank + 1]))
    x, _, y, _ = problem()
    close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
    for margin, options in SAMPLED:
        for rate, normaliser in ((0.5, "sampled"), (1e-9, "sampled"), (0.3, "all")):
            settings = {"sample_rate": rate, "normaliser": normaliser, "dtype": torch.float64, **options}
            torch.manual_seed(3)
            alone = Head(5, 23, margin, **settings)
            torch.manual_seed(3)
            head = Head(5, 23, margin, group=dist.group.WORLD, **settings)
            held = slice(head.classes.start * head.subcenters, head.classes.stop * head.subcenters)
            torch.manual_seed(5)
            expected = alone(x, y, reduction="none")
            torch.manual_seed(5 + rank)
            losses = head(x[mine], y[mine], reduction="none")
            torch.testing.assert_close(losses, expected[mine], **close)
            average_of_means(expected, rows).backward()
            (losses.sum() / max(len(losses), 1)).backward()
            touched = grad_of(head.weight).coalesce().indices()[0] + held.start
            of_alone = grad_of(alone.weight).coalesce().indices()[0]
            assert torch.equal(touched, of_alone[(of_alone >= held.start) & (of_alone < held.stop)])
            torch.testing.assert_close(
                grad_of(head.weight).to_dense(), grad_of(alone.weight).to_dense()[held], rtol=1e-11, atol=1e-11
            )
            for name, number in alone.statistics().items():
                torch.testing.assert_close(head.statistics()[name], number, rtol=1e-6, atol=1e-6)


def sampled_and_moved(rank, world):
    """A rank none of whose classes is drawn takes part in the step, and leaves its rows of W as they were."""
    x, _, y, _ = problem()
    y = y % 2  # both are on rank 0
    for normaliser in ("sampled", "all"):
        torch.manual_seed(3)
        head = Head(5, 23, cones.ArcFace(0.2, 8.0), sample_rate=1e-9, normaliser=normaliser, group=dist.group.WORLD)
        cones.ClassSGD(head, lr=0.1, momentum=0.9, weight_decay=0.1)
        before, leaf = head.weight.detach().clone(), x.float().requires_grad_()
        head(leaf, y).backward()
        moved = (head.weight.detach() != before).any(dim=1)
        assert moved.tolist() == [rank == 0 and number < 2 for number in range(len(moved))]
        assert grad_of(leaf).isfinite().all()
        assert grad_of(leaf).any()


def heads_and_samples(rank, world):
    heads(rank, world)
    sampled(rank, world)
    sampled_and_moved(rank, world)


@pytest.mark.parametrize("world", [2, 3])
def test_heads_and_their_sampled_classes_are_the_same_on_any_number_of_ranks(world):
    in_world(world, heads_and_samples)


def wrong_labels(rank, world):
    x, _, y, _ = problem()
    head = Head(5, 23, cones.ArcFace(), group=dist.group.WORLD)
    if rank == 1:
        y = y.clone()
        y[2] = 1200
    text = r"labels\[2\] is 1200, but the head has 23 classes" if rank == 1 else r"labels are wrong on rank 1"
    with pytest.raises(ValueError, match=text):
        head(x, y)
    with pytest.raises(TypeError if rank == 1 else ValueError, match=r"float32, expected" if rank == 1 else "rank 1"):
        head(x, y.float() if rank == 1 else y)
    with pytest.raises(ValueError, match=r"num_classes is 1, but 2 ranks share them"):
        Head(5, 1, cones.ArcFace(), group=dist.group.WORLD)


def test_wrong_labels_stop_every_rank():
    in_world(2, wrong_labels)


def trained(rank, world):
    """A few steps of a backbone under DistributedDataParallel and a sharded head are those of one process."""
    from torch.nn.parallel import DistributedDataParallel

    x, _, y, _ = problem(n=8)
    mine = slice(rank * 4, rank * 4 + 4)
    states = []
    for group in (None, dist.group.WORLD):
        torch.manual_seed(5)
        backbone = torch.nn.Linear(5, 6).double()
        head = Head(6, 23, cones.ArcFace(0.2, 8.0), dtype=torch.float64, group=group)
        net = backbone if group is None else DistributedDataParallel(backbone)
        optimizer = torch.optim.SGD([*backbone.parameters(), *head.parameters()], lr=0.1, momentum=0.9)
        for _ in range(5):
            optimizer.zero_grad()
            (head(net(x), y) if group is None else head(net(x[mine]), y[mine])).backward()
            optimizer.step()
        states.append((backbone.weight.detach(), head))
    torch.testing.assert_close(states[1][0], states[0][0], rtol=1e-11, atol=1e-11)
    held = states[1][1].classes
    torch.testing.assert_close(states[1][1].weight, states[0][1].weight[held.start : held.stop], rtol=1e-11, atol=1e-11)


def test_training_is_that_of_one_process():
    in_world(2, trained)


FOUR = {"all_gather": 1, "all_to_all_single": 4}
"""Sizes and labels; features there and results back; the transpose of both in the backward."""


def fewest(margin, subcenters):
    """The collectives that a step needs."""
    name = type(margin).__name__
    if name in ("NPCFace", "Surveying"):  # the target needs sums over the other classes, and their gradient
        return {**FOUR, "all_reduce": 1 if getattr(margin, "detach", False) else 2}
    if margin == cones.AdaCos(dynamic=True):  # the scale needs the logsumexp over the other classes
        return {**FOUR, "all_gather": 2}
    if margin.deals and not subcenters:  # by all rows' similarities; with sub-centers each rank computes them all
        return {**FOUR, "all_gather": 2}
    return FOUR


UNBIASED = {"sample_rate": 0.5, "normaliser": "all"}


def count(rank, world):
    """The collectives of a training step, forward and backward, are as few as the margin allows."""
    x, _, y, _ = problem()
    mine = slice(3 * rank, 3 * rank + 3)
    for margin in margins_for(23):
        for options in ({}, {"label_smoothing": 0.1}, {"sample_rate": 0.5}, UNBIASED, {"subcenters": 2}):
            if "label_smoothing" in options and not cones.engine.similarity.cross_entropy_of(margin):
                continue
            head = Head(5, 23, margin, dtype=torch.float64, group=dist.group.WORLD, **options)
            leaf = x[mine].clone().requires_grad_()
            with counted_collectives() as counts:
                head(leaf, y[mine]).backward()
            assert dict(counts) == fewest(margin, "subcenters" in options), f"{margin} {options}: {dict(counts)}"


def labels_that_follow(rank, world):
    """Labels of more rows than travel with the sizes follow in one more exchange."""
    x, _, y, _ = problem()
    mine = slice(0, 5) if rank else slice(5, 7)
    head = Head(5, 23, cones.ArcFace(0.2, 8.0), dtype=torch.float64, group=dist.group.WORLD)
    expected = head(x[mine], y[mine], "none")
    with patch("cones.engine.ranks.LABELS_WITH_SIZES", 2), counted_collectives() as counts:
        assert torch.equal(head(x[mine], y[mine], "none"), expected)
    assert dict(counts) == {"all_gather": 2, "all_to_all_single": 2}


def counted(rank, world):
    count(rank, world)
    labels_that_follow(rank, world)


def test_a_step_takes_four_exchanges_and_one_of_sizes_and_labels():
    in_world(2, counted)
