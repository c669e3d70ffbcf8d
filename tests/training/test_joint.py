"""Every feature loss as a term of the trainer's objective: called correctly, learnt, saved and resumed."""

import warnings
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import cones
from cones.feature_losses.arguments import taken
from cones.training import Run, fit, parse_objective
from cones.training._joint import balanced, build_loss
from cones.training._optimizer import build_optimizer
from cones.training._term import FEATURE_LOSSES
from tests.losses import problem
from tests.narrowing import instance_of, not_none
from tests.tiny_run import leave

LEARNT = {"ContrastiveCenter": "centers", "DiscFace": "xi", "RingLoss": "radius"}
"""Parameters of a feature loss that the optimiser updates."""

CALLS = {
    "BatchCOCO": lambda loss, x, w, y: loss(x, y, len(w)),
    "FeatureIncay": lambda loss, x, w, y: loss(x, (x @ w.T).argmax(dim=1) == y),
    "MHE": lambda loss, x, w, y: loss(w),
    "RegularFace": lambda loss, x, w, y: loss(w),
    "RingLoss": lambda loss, x, w, y: loss(x),
}
"""Calls of losses that do not take features, weight and labels alone."""

each_loss = pytest.mark.parametrize("name", cones.feature_losses.__all__)


def called(name, loss, x, w, y):
    """The loss itself, without the joint loss around it."""
    if name in CALLS:
        return CALLS[name](loss, x, w, y)
    return loss(x, w, y) if "weight" in taken(loss) else loss(x, y)


def own_parameters(name, loss):
    """Names of what a feature loss learns; of ours by the list above."""
    return {LEARNT[name]} if name in LEARNT else {key for key, _ in getattr(loss, "named_parameters", tuple)()}


def joint(name, k=6):
    """A joint loss with one term, and a batch."""
    x, w, y, _ = problem(n=12, k=k, dtype=torch.float32)
    loss = build_loss(Run(loss=f"Softmax + 0.5 * {name}"), [2] * k, 5)
    loss.head.weight.data.copy_(w)
    return loss, x.requires_grad_(), y


def test_no_feature_loss_is_missing():
    assert set(FEATURE_LOSSES) == set(cones.feature_losses.__all__)


@each_loss
def test_a_term_is_its_loss_times_its_weight(name):
    loss, x, y = joint(name)
    parts = loss(x, y)
    _, term = loss.terms[0]
    torch.testing.assert_close(parts.terms[name], called(name, term, x, loss.head.weight, y))
    torch.testing.assert_close(parts.margin, loss.head(x, y))
    torch.testing.assert_close(parts.total, parts.margin + 0.5 * parts.terms[name])


@each_loss
def test_what_is_learnt_reaches_the_optimiser_without_decay(name):
    loss, x, y = joint(name)
    loss(x, y)  # ring loss takes its radius from the first batch
    before = {key: parameter.clone() for key, parameter in loss.named_parameters()}
    optimizer = build_optimizer(Run(learning_rate=0.1, weight_decay=0.5), torch.nn.Linear(1, 1), loss)
    loss(1.1 * x, y).total.backward()
    optimizer.step()
    learnt = {key for key, _ in loss.named_parameters() if key.startswith("modules_of_terms")}
    assert {key.removeprefix("modules_of_terms.0.") for key in learnt} == own_parameters(name, loss.terms[0][1])
    (free,) = (group for group in optimizer.param_groups if group["name"] == "free")
    for key, parameter in loss.named_parameters():
        if key in learnt:
            assert any(parameter is other for other in free["params"])
            assert not torch.equal(parameter, before[key])
            assert free["weight_decay"] == 0


@each_loss
def test_what_is_learnt_is_in_the_state(name):
    loss, _, _ = joint(name)
    keys = {key.rsplit(".", 1)[1] for key in loss.state_dict() if key.startswith("modules_of_terms")}
    assert keys == {
        "CenterLoss": {"centers"},
        "RingLoss": {"radius", "started"},
        "VPL": {"memory", "seen", "steps"},
    }.get(name, {LEARNT[name]} if name in LEARNT else set())


def test_two_regularisers_at_once():
    loss, x, y = joint("ContrastiveAgents(margin=1.0) + 1.0 * MHE() + 2 * RegularFace")
    parts = loss(x, y)
    agents, mhe, regular = parts.terms.values()
    torch.testing.assert_close(parts.total, parts.margin + 0.5 * agents + mhe + 2 * regular)
    parts.total.backward()
    assert torch.isfinite(loss.head.weight.grad).all()


@each_loss
def test_learns_with_every_feature_loss(small, tmp_path, name):
    run = replace(small, loss=f"Softmax + 0.01 * {name}", epochs=8, feature_dim=3, width=0.25)
    lines = list(fit(run, tmp_path))
    assert max(line["accuracy"] for line in lines if line["kind"] == "test") > 0.7
    assert all(name in line["terms"] for line in lines if line["kind"] == "train")


def test_all_at_once_go_on_bit_by_bit(small, tmp_path):
    """Centers, xi, radius and their momentum are where they were, and reading an objective draws no random number."""
    run = replace(
        small, loss=" + ".join(["Softmax", *(f"0.01 * {name}" for name in cones.feature_losses.__all__)]), save_every=1
    )
    list(fit(run, tmp_path / "whole"))
    leave(fit(run, tmp_path / "parts"), after=4)
    list(fit(run, tmp_path / "parts", resume=True))
    whole, parts = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for key in whole:
        assert torch.equal(whole[key], parts[key]), key
    learnt = [key for key in whole if key.startswith("loss.modules_of_terms") and "started" not in key]
    assert len(learnt) == 7  # two tables of centers, xi, the radius, and what VPL remembers
    assert all(whole[key].abs().sum() > 0 for key in learnt)


@pytest.mark.parametrize("loss", ["AdaFace", "CurricularFace", "AdaCos", "SphereFace2", "ElasticFace", "LDAM"])
def test_running_numbers_and_draws_go_on_bit_by_bit(small, tmp_path, loss):
    run = replace(small, loss=loss, save_every=1)
    list(fit(run, tmp_path / "whole"))
    leave(fit(run, tmp_path / "parts"), after=4)
    list(fit(run, tmp_path / "parts", resume=True))
    whole, parts = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    names = {key.removeprefix("loss.head.running_") for key in whole if "running_" in key and "loss.head" in key}
    assert names == set(Run(loss=loss).objective.for_counts([1] * 10).margin.init_statistics(10))


def test_reading_an_objective_draws_no_random_number():
    before = torch.get_rng_state()
    parse_objective(" + ".join(["Softmax", *(f"0.01 * {name}" for name in cones.feature_losses.__all__)]))
    assert torch.equal(torch.get_rng_state(), before)


def test_counts_left_out_are_those_of_the_training_data():
    loss = build_loss(Run(loss="LDAM(margin=0.3)"), [50, 20, 30], 5)
    assert loss.head.margin == cones.LDAM(counts=(50, 20, 30), margin=0.3)
    assert str(parse_objective("LDAM(margin=0.3)")) == "LDAM(margin=0.3, scale=30.0)"
    assert instance_of(cones.LDAM, build_loss(Run(loss="LDAM(counts=(1, 2))"), [5, 5], 3).head.margin).counts == (1, 2)


def test_a_loss_with_a_bias_of_its_own_gets_it():
    head = build_loss(Run(loss="SphereFace2"), [3] * 10, 5).head
    assert not_none(head.bias).item() == pytest.approx(cones.SphereFace2().initial_bias(10))
    assert build_loss(Run(loss="P2SGrad"), [3] * 10, 5).head.bias is None


def test_options_of_a_run_reach_the_head():
    head = build_loss(Run(loss="Softmax", label_smoothing=0.1, focal=2.0, balance=1.0), [90, 10], 5).head
    assert (head.label_smoothing, head.focal) == (0.1, 2.0)
    torch.testing.assert_close(head.class_weights, torch.tensor([5 / 9, 5.0]))
    assert balanced([1, 2], 0.0) is None
    assert not_none(balanced([4, 0], 0.5)).tolist() == [1.0, 0.0]  # a class without samples weighs nothing


def test_a_warm_up_may_start_far_outside_what_fits_and_not_end_there():
    start = "NormFace(scale=LinearWarmup(start=0.5, end={end}, steps=100))"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = build_loss(Run(loss=start.format(end=16.0)), [10] * 10, 2)
    assert loss.head.margin == cones.NormFace(scale=0.655)
    with pytest.warns(UserWarning, match="far above"):
        build_loss(Run(loss=start.format(end=1000.0)), [10] * 10, 2)
