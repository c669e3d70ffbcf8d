"""AdaFace: margins by the feature norm, and the running mean and deviation of the norms."""

import math

import numpy as np
import pytest
import torch

import cones
from cones import AdaFace, Head, margin_softmax
from tests.losses import problem


def targets(margin, theta, norm, mean=20.0, std=1.0):
    """Target logits at angles theta for features of one length."""
    theta = torch.atleast_1d(torch.as_tensor(theta, dtype=torch.float64))
    norms = torch.full_like(theta, norm)
    numbers = {"mean": torch.tensor(mean), "std": torch.tensor(std)}
    label = torch.zeros(len(theta), dtype=torch.long)
    return margin.target(theta.cos(), cones.Rows(theta.cos(), norms, torch.ones_like(theta), label, numbers))


def head_on(w, margin):
    head = Head(w.shape[1], len(w), margin, dtype=w.dtype)
    with torch.no_grad():
        head.weight.copy_(w)
    return head


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (19.0, -math.sin(0.4)),  # z = -1: ArcFace, cos(pi / 2 + 0.4)
        (20.0, -0.4),  # z = 0: CosFace, 0 - 0.4
        (20.5, math.sin(0.2) - 0.6),  # z = 1/2: cos(pi / 2 - 0.2) - 0.4 - 0.2
        (21.0, math.sin(0.4) - 0.8),  # z = 1
        (90.0, math.sin(0.4) - 0.8),  # z is clipped
        (0.0, -math.sin(0.4)),
    ],
)
def test_a_feature_at_90_degrees(norm, expected):
    margin = AdaFace(margin=0.4, scale=10.0, concentration=1.0, epsilon=1e-9)
    assert targets(margin, math.pi / 2, norm).item() == pytest.approx(10 * expected, abs=1e-6)


def test_angle_is_clipped_and_cosines_are_not():
    margin = AdaFace(margin=0.4, scale=1.0, concentration=1.0, epsilon=1e-3)
    std = 1 - 1e-3  # deviation and epsilon together make 1
    assert targets(margin, 0.0, 21.0, std=std).item() == pytest.approx(math.cos(1e-3) - 0.8, abs=1e-6)
    assert targets(margin, math.pi, 19.0, std=std).item() == pytest.approx(-math.cos(1e-3), abs=1e-6)
    # the cosine of 1 itself, which the authors' code takes for 0.999
    assert targets(margin, 0.0, 19.0, std=std).item() == pytest.approx(math.cos(0.4), abs=1e-6)


@pytest.mark.parametrize("norm", [0.0, 19.0, 20.0, 20.7, 100.0])
def test_target_logit_falls_with_the_angle(norm):
    logit = targets(AdaFace(margin=0.4, scale=8.0, concentration=1.0), torch.linspace(0, torch.pi, 2001), norm)
    assert (logit.diff() <= 1e-9).all()


def test_running_numbers_follow_the_norms():
    x, w, y, _ = problem()
    head = head_on(w, AdaFace(momentum=0.25))
    mean, std = 20.0, 100.0
    for factor in (1.0, 3.0, 60.0):
        head(x * factor, y)
        norm = np.clip(np.linalg.norm(x.numpy() * factor, axis=1), 1e-3, 100)
        mean, std = 0.25 * norm.mean() + 0.75 * mean, 0.25 * norm.std(ddof=1) + 0.75 * std
        assert head.statistics()["mean"].item() == pytest.approx(mean, rel=1e-6)
        assert head.statistics()["std"].item() == pytest.approx(std, rel=1e-6)


def test_loss_uses_the_numbers_just_renewed():
    x, w, y, _ = problem()
    head = head_on(w, AdaFace(scale=8.0, momentum=0.5))
    loss = head(x, y, reduction="none")
    torch.testing.assert_close(loss, margin_softmax(x, w, y, head.margin, statistics=head.statistics()))


def test_one_row_has_no_deviation_and_changes_nothing():
    x, w, y, _ = problem(n=1)
    head = head_on(w, AdaFace(momentum=1.0))
    assert torch.isfinite(head(x, y))
    assert {name: number.item() for name, number in head.statistics().items()} == {"mean": 20.0, "std": 100.0}


def test_rows_of_one_length_stay_finite():
    x, w, y, _ = problem()
    head = head_on(w, AdaFace(momentum=1.0))
    x = (x / x.norm(dim=1, keepdim=True)).requires_grad_()
    head(x, y).backward()
    assert head.statistics()["std"].item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(x.grad).all()


def test_norms_are_not_differentiated():
    x, w, y, _ = problem()
    x.requires_grad_()
    head_on(w, AdaFace(scale=8.0, concentration=2.0, momentum=0.9))(x, y).backward()
    assert ((x * x.grad).sum(dim=1).abs() < 1e-12).all()


def test_numbers_are_saved_and_resumed():
    x, _, y, _ = problem(dtype=torch.float32)
    head, other = Head(5, 23, AdaFace()), Head(5, 23, AdaFace())
    head(x, y)
    assert set(head.state_dict()) == {"weight", "running_mean", "running_std"}
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(x, y), head(x, y))
    assert other.statistics() == head.statistics()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"margin": -0.1}, "margin is -0.1, expected a finite number of at least 0"),
        ({"concentration": math.nan}, "concentration is nan, expected a finite number of at least 0"),
        ({"momentum": 1.5}, r"momentum is 1.5, expected a number in \[0, 1\]"),
        ({"epsilon": 0.0}, "epsilon is 0.0, expected a number above 0 and below pi / 2"),
        ({"epsilon": 2.0}, "epsilon is 2.0, expected a number above 0 and below pi / 2"),
    ],
)
def test_errors_name_the_field(fields, text):
    with pytest.raises(ValueError, match=f"AdaFace: {text}"):
        AdaFace(**fields)
