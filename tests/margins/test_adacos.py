"""AdaCos: initial scale, update by a batch, and positivity."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cones
from cones import AdaCos, Head, NormFace
from cones.engine.dense import logits
from tests.losses import problem

LEAST, MOST = math.log(2) / 2, 1e4


def rows_of(similarity, **statistics):
    one = torch.ones_like(similarity)
    return cones.Rows(similarity, one, one, torch.zeros(len(similarity), dtype=torch.long), statistics)


def updated(similarity, rest, scale=5.0):
    similarity, rest = (torch.tensor(numbers, dtype=torch.float64) for numbers in (similarity, rest))
    statistics = {"scale": torch.tensor(scale, dtype=torch.float64)}
    return float(AdaCos().update_statistics(statistics, rows_of(similarity), lambda: rest)["scale"])


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize(("k", "start"), [(1, 2), (2, 2), (3, 2), (4, 3), (10, 9), (1001, 1000)])
def test_starts_at_the_fixed_scale(dynamic, k, start):
    head = Head(4, k, AdaCos(dynamic=dynamic))
    assert head.statistics()["scale"].item() == pytest.approx(math.sqrt(2) * math.log(start))
    assert AdaCos().scale == pytest.approx(math.sqrt(2) * math.log(2))


def test_features_across_all_classes_leave_the_scale_at_its_start():
    """All cosines 0: B = K - 1 and the median angle counts as pi / 4, so s = sqrt(2) log(K - 1)."""
    head = Head(4, 10, AdaCos())
    before = head.statistics()["scale"]
    loss = head(torch.zeros(5, 4), torch.arange(5))
    torch.testing.assert_close(head.statistics()["scale"], before)
    assert loss.item() == pytest.approx(math.log(10))


def test_features_on_their_classes():
    """Own cosine 1, others 0: s = log(K - 1)."""
    head = Head(6, 6, AdaCos(), dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.eye(6))
    loss = head(torch.eye(6, dtype=torch.float64), torch.arange(6))
    assert head.statistics()["scale"].item() == pytest.approx(math.log(5))
    assert loss.item() == pytest.approx(math.log(2))  # e^s / (e^s + 5) = 1 / 2: what the paper asks of the scale


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_follows_the_formula(n):
    x, w, y, _ = problem(n=n)
    head = Head(5, 23, AdaCos(), dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(w)
    x, w, y = x.numpy(), w.numpy(), y.numpy()
    cosine = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    others = np.arange(23) != y[:, None]
    theta = np.sort(np.arccos(cosine[np.arange(n), y]))
    scale = head.statistics()["scale"].item()
    for _ in range(3):
        b = (np.exp(scale * cosine) * others).sum(axis=1).mean()
        scale = np.log(b) / np.cos(min(np.pi / 4, theta[(n - 1) // 2]))
        head(torch.from_numpy(x), torch.from_numpy(y))
        assert head.statistics()["scale"].item() == pytest.approx(scale, rel=1e-6)


def test_a_median_angle_within_45_degrees_counts_as_it_is():
    near, far = math.cos(0.3), math.cos(2.0)
    assert updated([near, far], [3.0, 3.0]) == pytest.approx(3.0 / near)  # the lower median
    assert updated([near, far, far], [3.0, 3.0, 3.0]) == pytest.approx(3.0 * math.sqrt(2))


def test_average_is_of_exponentials_and_does_not_overflow():
    assert updated([1.0, 1.0], [math.log(2), math.log(6)]) == pytest.approx(math.log(4))
    assert updated([1.0, 1.0], [1000.0, 900.0]) == pytest.approx(1000 - math.log(2))


@pytest.mark.parametrize("rest", [0.0, -3.0, -math.inf])
def test_scale_stays_above_0(rest):
    """One other class turned away makes log(B) negative; no other class makes it -inf."""
    assert updated([1.0, 0.5], [rest, rest]) == pytest.approx(LEAST)


def test_least_scale_is_where_the_rule_rests_for_three_classes():
    """Two others at cosine -1: s = log(2 exp(-s)), so s = log(2) / 2."""
    assert updated([1.0], [math.log(2) - LEAST], scale=LEAST) == pytest.approx(LEAST)


@settings(max_examples=25)
@given(k=st.integers(1, 6), n=st.integers(1, 9), seed=st.integers(0, 10**6))
def test_scale_stays_finite_and_above_0_however_long(k, n, seed):
    """Features that stay on wrong classes drive it up, few classes that are turned away drive it down."""
    x, w, y, _ = problem(n, k, 3, seed, dtype=torch.float32)
    head = Head(3, k, AdaCos())
    with torch.no_grad():
        head.weight.copy_(w)
    for _ in range(60):
        loss = head(x, y)
        assert torch.isfinite(loss)
        assert LEAST <= head.statistics()["scale"].item() <= MOST


def test_fixed_scale_and_evaluation_do_not_move_it():
    x, _, y, _ = problem()
    for head in (Head(5, 23, AdaCos(dynamic=False), dtype=torch.float64), Head(5, 23, AdaCos()).double().eval()):
        before = head.statistics()["scale"]
        head(x, y)
        assert torch.equal(head.statistics()["scale"], before)


def test_loss_and_logits_use_the_scale_just_renewed():
    x, w, y, _ = problem()
    head = Head(5, 23, AdaCos(), dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(w)
    loss = head(x, y)
    scale = head.statistics()["scale"].item()
    torch.testing.assert_close(loss, cones.margin_softmax(x, w, y, NormFace(scale=scale)).mean())
    torch.testing.assert_close(head.logits(x), logits(x, w, NormFace(scale=scale)))


def test_scale_is_saved_and_resumed():
    x, _, y, _ = problem(dtype=torch.float32)
    head, other = Head(5, 23, AdaCos()), Head(5, 23, AdaCos())
    head(x, y)
    assert set(head.state_dict()) == {"weight", "running_scale"}
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(x, y), head(x, y))
    assert torch.equal(other.statistics()["scale"], head.statistics()["scale"])


def test_errors_name_the_field():
    with pytest.raises(ValueError, match=r"AdaCos: dynamic is 'no', expected True or False"):
        AdaCos(dynamic="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"AdaCos has no scale field"):
        Head(5, 23, AdaCos(), learn_scale=True)
