"""Warnings about parameters that training fails to change: counted in optimiser steps, given once."""

import copy
import io
import re
import warnings

import pytest
import torch
from torch import nn

from cones import VPL, ArcFace, CenterLoss, ClassSGD, Head, Softmax
from tests.narrowing import grad_of

UNCHANGED = "the head's weight has not changed in 50 optimiser steps"


def batch(step=0):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(7, 5, generator=generator)
    return x, torch.randint(23, (7,), generator=generator)


def warnings_of(train):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train()
    return [str(warning.message) for warning in caught]


def steps(head, optimizer, number=120, micro_batches=1):
    backbone = nn.Linear(5, 5)
    optimizers = [torch.optim.SGD(backbone.parameters(), lr=0.01), *([optimizer] if optimizer else [])]
    for step in range(number):
        for each in optimizers:
            each.zero_grad()
        for part in range(micro_batches):
            x, y = batch(step * micro_batches + part)
            head(backbone(x), y).backward()
        for each in optimizers:
            each.step()


def assert_warned_once(told, text):
    assert [re.search(text, warning) is not None for warning in told] == [True]


def test_a_weight_that_no_optimiser_has_is_warned_about_once():
    assert_warned_once(warnings_of(lambda: steps(Head(5, 23, ArcFace(0.2, 8.0)), None)), UNCHANGED)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda head: _pickled(head), lambda head: _from_meta(head)])
def test_copies_and_heads_from_the_meta_device_are_watched_too(copied):
    assert_warned_once(warnings_of(lambda: steps(copied(Head(5, 23, ArcFace(0.2, 8.0))), None, 60)), UNCHANGED)


def _pickled(head):
    file = io.BytesIO()
    torch.save(head, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def _from_meta(head):
    empty = Head(5, 23, head.margin, device="meta").to_empty(device="cpu")
    empty.reset_parameters()
    return empty


def test_a_sampled_weight_that_no_optimiser_has_is_warned_about():
    assert_warned_once(warnings_of(lambda: steps(Head(5, 23, ArcFace(0.2, 8.0), sample_rate=0.3), None, 60)), UNCHANGED)


OPTIMIZERS = {
    "SGD": lambda head: torch.optim.SGD(head.parameters(), lr=0.01),
    "fused SGD": lambda head: torch.optim.SGD(head.parameters(), lr=0.01, fused=True),
    "fused Adam": lambda head: torch.optim.Adam(head.parameters(), fused=True),
    "fused AdamW": lambda head: torch.optim.AdamW(head.parameters(), fused=True),
    "foreach AdamW": lambda head: torch.optim.AdamW(head.parameters(), foreach=True),
    "fused Adagrad": lambda head: torch.optim.Adagrad(head.parameters(), fused=True),
    "ClassSGD": lambda head: ClassSGD(head, lr=0.01),
    "a rate of 1e-6": lambda head: torch.optim.SGD(head.parameters(), lr=1e-6),
}


@pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_weight_that_moves_is_left_in_peace(build):
    head = Head(5, 23, ArcFace(0.2, 8.0))
    assert warnings_of(lambda: steps(head, build(head))) == []


@pytest.mark.parametrize("micro_batches", [64, 130])
def test_gradients_of_many_micro_batches_are_one_step(micro_batches):
    head = Head(5, 23, ArcFace(0.2, 8.0))
    assert warnings_of(lambda: steps(head, torch.optim.SGD(head.parameters(), lr=0.01), 2, micro_batches)) == []


def test_updates_through_data_are_seen():
    head = Head(5, 23, ArcFace(0.2, 8.0))

    class ByHand(torch.optim.Optimizer):
        def step(self, closure=None):
            head.weight.data -= 0.01 * grad_of(head.weight)
            head.weight.grad = None

    assert warnings_of(lambda: steps(head, ByHand(head.parameters(), {}))) == []


def test_a_frozen_weight_is_left_in_peace():
    head = Head(5, 23, ArcFace(0.2, 8.0))
    head.weight.requires_grad_(False)
    assert warnings_of(lambda: steps(head, None)) == []


def test_steps_that_a_scaler_skips_are_none():
    head = Head(5, 23, ArcFace(0.2, 8.0))
    backbone, scaler = nn.Linear(5, 5), torch.amp.GradScaler("cpu", init_scale=2.0**120, growth_interval=1000)
    optimizer = torch.optim.SGD([*backbone.parameters(), *head.parameters()], lr=0.01)

    def train():
        for step in range(60):
            x, y = batch(step)
            optimizer.zero_grad()
            scaler.scale(head(backbone(x) * 1e10, y)).backward()
            grad_of(backbone.weight).fill_(torch.inf)
            scaler.step(optimizer)
            scaler.update()

    assert warnings_of(train) == []


def test_a_gradient_of_zero_changes_nothing_and_is_not_asked_about():
    head = Head(5, 1, Softmax())  # one class alone: the loss is 0
    backbone = nn.Linear(5, 5)
    optimizer = torch.optim.SGD([*backbone.parameters(), *head.parameters()], lr=0.1)

    def train():
        for step in range(60):
            optimizer.zero_grad()
            head(backbone(batch(step)[0]), torch.zeros(7, dtype=torch.long)).backward()
            optimizer.step()

    assert warnings_of(train) == []


LOSSES = {
    "CenterLoss": (lambda: CenterLoss(23, 5), lambda loss, x, y: loss(x, y)),
    "VPL": (lambda: VPL(23, 5), lambda loss, x, y: loss(x, torch.ones(23, 5), y)),
}


def train_features(loss, call, update_at=lambda step: False, number=120):
    backbone = nn.Linear(5, 5)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.01)
    for step in range(number):
        x, y = batch(step)
        features = backbone(x)
        optimizer.zero_grad()
        call(loss, features, y).backward()
        optimizer.step()
        if update_at(step):
            loss.update(features.detach(), y)


@pytest.mark.parametrize(("build", "call"), LOSSES.values(), ids=LOSSES)
def test_a_loss_whose_update_is_never_called_is_warned_about_once(build, call):
    loss = build()
    text = rf"{type(loss).__name__}.update was not called in 50 optimiser steps.*loss.update\(features.detach\(\)"
    assert_warned_once(warnings_of(lambda: train_features(loss, call)), text)


@pytest.mark.parametrize(("build", "call"), LOSSES.values(), ids=LOSSES)
def test_a_loss_that_is_updated_or_not_trained_on_is_left_in_peace(build, call):
    assert warnings_of(lambda: train_features(build(), call, lambda step: step == 40)) == []
    assert warnings_of(lambda: train_features(build().eval(), call)) == []
    loaded = build()
    loaded.update(*batch())
    fresh = build()
    fresh.load_state_dict(loaded.state_dict())  # centers from elsewhere, kept as they are
    assert warnings_of(lambda: train_features(fresh, call)) == []


def test_centers_that_are_not_to_move_are_left_in_peace():
    loss = CenterLoss(23, 5, alpha=0.0)
    assert warnings_of(lambda: train_features(loss, lambda loss, x, y: loss(x, y))) == []
