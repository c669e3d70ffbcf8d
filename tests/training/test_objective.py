"""Objectives as text, and the schedules in them."""

import math

import pytest

import cones
from cones import (
    MHE,
    ArcFace,
    ASoftmax,
    BatchCOCO,
    CirclePairs,
    ContrastiveAgents,
    LSoftmax,
    RegularFace,
    TripletAgents,
)
from cones.training import PAPER_ANNEALINGS, Annealing, CosineWarmup, ExponentialWarmup, LinearWarmup, parse_objective


def test_a_margin_alone():
    assert parse_objective("ArcFace(margin=0.2)").margin == ArcFace(margin=0.2)
    assert parse_objective(" LSoftmax ").margin == LSoftmax()


def test_terms_and_schedules():
    objective = parse_objective("ASoftmax(margin=3, blend=SPHEREFACE_20) + 0.01 * CenterLoss(alpha=0.3) + 2 * RingLoss")
    assert objective.margin == ASoftmax(margin=3, blend=Annealing()(1))
    assert objective.margin_at(10_000) == ASoftmax(margin=3, blend=5.0)
    assert [(term.weight, term.name, term.fields) for term in objective.terms] == [
        (0.01, "CenterLoss", (("alpha", 0.3),)),
        (2.0, "RingLoss", ()),
    ]
    assert parse_objective(str(objective)) == objective


def test_every_feature_loss_with_its_fields():
    text = (
        "Softmax + 0.01 * ContrastiveAgents(margin=1.0) + 1.0 * MHE() + 0.1 * TripletAgents(hardest=True) "
        "+ 0.2 * BatchCOCO(scale=4.0) + 0.3 * ContrastiveCenter(delta=0.5) + 0.4 * CirclePairs(margin=0.4, scale=64) "
        "+ 0.5 * DiscFace + 0.6 * RegularFace() + 0.7 * MHE(power=2, floor=0.05)"
    )
    objective = parse_objective(text)
    assert parse_objective(str(objective)) == objective
    agents, _, triplet, coco, center, pairs, disc, regular, mhe = [term.build(7, 3) for term in objective.terms]
    assert agents == ContrastiveAgents(margin=1.0)
    assert triplet == TripletAgents(hardest=True)
    assert coco == BatchCOCO(scale=4.0)
    assert isinstance(center, cones.ContrastiveCenter)
    assert isinstance(disc, cones.DiscFace)
    assert (center.centers.shape, center.delta) == ((7, 3), 0.5)
    assert pairs == CirclePairs(margin=0.4, scale=64)
    assert disc.xi.shape == (3,)
    assert regular == RegularFace()
    assert mhe == MHE(power=2, floor=0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CenterLoss", r"a feature loss needs its weight in front, 0.01 \* CenterLoss\(\)"),
        ("0.01 * CenterLoss", r"expected exactly one margin-softmax loss"),
        ("Softmax + ArcFace", r"expected exactly one margin-softmax loss"),
        ("0.5 * Softmax", r"only feature losses have a weight"),
        ("Softmax + 0.1 * CentreLoss", r"only feature losses have a weight \(did you mean CenterLoss\?\)"),
        ("Softmax + 0.1 * CenterLoss(alpha=2.0)", r"alpha is 2.0, expected a number in \[0, 1\]"),
        ("Softmax + 0.1 * CenterLoss(beta=2.0)", r"CenterLoss has no field 'beta'"),
        ("Softmax + 0.1 * CenterLoss(num_classes=3)", r"CenterLoss has no field 'num_classes'; it has alpha"),
        ("Softmax + 0.1 * DiscFace(dim=3)", r"DiscFace has no field 'dim'; it has none"),
        ("Softmax + 0.1 * MHE(power=-1)", r"MHE: power is -1, expected a finite number of at least 0"),
        ("Softmax + 0.1 * MHE(power='a')", r"MHE: power is 'a', expected a finite number"),
        ("Softmax + MHE()", r"a feature loss needs its weight in front, 0.01 \* MHE\(\)"),
        ("Softmax + 0.1 * CircelPairs", r"did you mean CirclePairs\?"),
        ("Softmax + -1 * CenterLoss", r"the weight is -1, expected a finite number of at least 0"),
        ("Softmax + 1e999 * CenterLoss", r"the weight is inf, expected a finite number of at least 0"),
        ("Softmax - CenterLoss", r"losses are added, not subtracted"),
        ("Softmax + 0.1 * CenterLoss(alpha=0.1, alpha=0.2)", r"alpha is given twice, expected each field once"),
        ("Softmax + CenterLoss * 0.1", r"write the weight in front as a number"),
        ("ArcFace(margin=LinearWarmup(start=0, end=1))", r"LinearWarmup: .*missing.*'steps'"),
        ("ArcFace(margin=LinearWarmup(start=0, end=1, steps=0))", r"steps is 0, expected at least 1"),
        ("Annealing()", r"expected exactly one margin-softmax loss"),
        ("", r"cannot read ''"),
    ],
)
def test_errors(text, message):
    with pytest.raises(ValueError, match=message):
        parse_objective(text)


@pytest.mark.parametrize(
    ("name", "at_1", "at_1000", "at_10000"),
    [
        ("L_SOFTMAX_MNIST", 999, 421, 0.406),
        ("L_SOFTMAX_CIFAR10", 999, 410, 0.273),
        ("L_SOFTMAX_CIFAR10_PLUS", 1000, 639, 13.7),
        ("SPHEREFACE_20", 893, 8.26, 5.0),
    ],
)
def test_the_papers_annealings(name, at_1, at_1000, at_10000):
    annealing = PAPER_ANNEALINGS[name]
    assert annealing(1) == pytest.approx(at_1, rel=2e-3)
    assert annealing(1000) == pytest.approx(at_1000, rel=2e-3)
    assert annealing(10_000) == pytest.approx(at_10000, rel=5e-3)


def test_sphereface_reaches_its_floor_at_step_1659():
    assert Annealing()(1658) > 5.0
    assert Annealing()(1659) == 5.0


@pytest.mark.parametrize("kind", [LinearWarmup, CosineWarmup, ExponentialWarmup])
def test_warmups_start_near_the_start_and_stay_at_the_end(kind):
    warmup = kind(1.0, 4.0, 10)
    values = [warmup(step) for step in range(1, 15)]
    assert values == sorted(values)
    assert values[9:] == pytest.approx([4.0] * 5)
    assert 1.0 < values[0] < 1.5
    assert hash(warmup) == hash(kind(1.0, 4.0, 10))


def test_exponential_needs_positive_ends():
    with pytest.raises(ValueError, match=r"start is 0.0 and end 1.0, expected both above 0"):
        ExponentialWarmup(0.0, 1.0, 10)
    assert ExponentialWarmup(1.0, math.e, 10)(5) == pytest.approx(math.exp(0.5))
