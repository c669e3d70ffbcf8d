"""Memory of a rank: the engine's own tiles, sampled classes, and the backbone."""

import math

import pytest
import torch
from torch import nn

import cones
from cones.engine.rank_plan import Backbone, RankPlan
from cones.engine.tiles import settings_for

MIB = 2**20


def plan(**options):
    sizes = {"num_classes": 5000, "dim": 24, "batch": 60, "tile_bytes": MIB, "memory_budget": 4 * MIB}
    return RankPlan(options.pop("margin", cones.ArcFace()), **(sizes | options))


def engine_plan(margin, subcenters):
    """The plan that the engine makes for the same step on one rank."""
    x, weight = torch.zeros(60, 24, requires_grad=True), torch.zeros(5000 * subcenters, 24, requires_grad=True)
    settings = settings_for(x, weight, None, margin.weights, 64.0, 4 * MIB, None)
    bent = cones.engine.similarity.bends(margin, subcenters)
    return settings._replace(shares=not bent, tile_bytes=MIB).plan(x, weight, bent=bent, subcenters=subcenters)


@pytest.mark.parametrize(("margin", "subcenters"), [(cones.ArcFace(), 1), (cones.ArcFace(), 3), (cones.MVSoftmax(), 1)])
def test_tiles_and_kept_exponentials_are_those_of_the_engine(margin, subcenters):
    assert plan(margin=margin, subcenters=subcenters).step == engine_plan(margin, subcenters)


def test_w_and_momentum_are_of_all_held_classes_and_the_gradient_of_those_in_the_step():
    memory = plan(ranks=3, sample_rate=0.1).memory()
    held, in_step = 1667 * 24 * 4, 166 * 24 * 4
    assert [memory[name] for name in ("W", "momentum of W")] == [held, held]
    assert [memory[name] for name in ("gradient of W", "sampled rows of W")] == [in_step, in_step]
    fused = plan(ranks=3, sample_rate=0.1, fused=True, momentum=False).memory()
    assert not {"gradient of W", "momentum of W"} & set(fused)


def test_centers_of_a_class_are_counted_with_it():
    one, three = plan(), plan(subcenters=3)
    assert three.memory()["W"] == 3 * one.memory()["W"]
    assert three.operations / three.step.products == pytest.approx(3 * one.operations / one.step.products)


def test_a_backbone_is_held_whole_and_its_activations_are_of_the_rows_of_a_rank():
    backbone = Backbone(1000, 50, optimiser_arrays=2, half=True)
    memory = plan(ranks=2, backbone=backbone).memory()
    assert memory["backbone: parameters, gradients, optimiser"] == 1000 * (4 * 4 + 4 + 2)
    assert memory["backbone: activations"] == 60 * 50
    assert plan(backbone=backbone).memory()["backbone: parameters, gradients, optimiser"] == 1000 * (4 * 4 + 2)


@pytest.mark.parametrize("half", [False, True])
def test_activations_of_a_net_are_measured_without_running_it(half):
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 64, 7))
    itemsize = 2 if half else 4
    # the image, the output of tanh, which the layer after it takes too
    assert Backbone.of(net, (3, 8, 8), half=half).activation_bytes == itemsize * (3 * 64 + 4 * 64)
    assert Backbone.of(net, (3, 8, 8)).parameters == 4 * 27 + 4 + 7 * 257


def test_memory_does_not_depend_on_the_ranks_but_for_the_share():
    alone, shared = plan(batch=600), plan(batch=100, ranks=6)
    assert alone.rows == shared.rows
    assert shared.memory()["W"] == math.ceil(5000 / 6) * 24 * 4
    assert "features of all ranks" not in alone.memory()
