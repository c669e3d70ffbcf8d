"""Calibration, its costs and isotonic regression: known answers, brute force, conditions of the minimum."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import Calibration, calibrate, cllr, min_cllr, pav_llr, pool_adjacent_violators

SAME = torch.tensor([True, True, True, False, False, False, True, False])


def problem(seed, pairs=60, gap=1.0):
    rng = np.random.default_rng(seed)
    same = np.concatenate([[True, False], rng.random(pairs - 2) < 0.4])
    return gap * same + rng.normal(size=pairs), same


def softplus(z):
    return np.logaddexp(0, z)


def loss(a, b, scores, same, prior):
    z = a * scores + b + math.log(prior / (1 - prior))
    return prior * softplus(-z[same]).mean() + (1 - prior) * softplus(z[~same]).mean()


def isotonic(y, w):
    """Minimax formula: f_i = max over starts ≤ i of min over stops ≥ i of the weighted mean between."""
    n = len(y)
    return [
        max(min(np.average(y[a : b + 1], weights=w[a : b + 1]) for b in range(i, n)) for a in range(i + 1))
        for i in range(n)
    ]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), prior=st.sampled_from([0.5, 0.01, 0.9]), gap=st.sampled_from([0.0, 1.0, -2.0]))
def test_calibration_is_the_minimum(seed, prior, gap):
    scores, same = problem(seed, gap=gap)
    c = calibrate(torch.tensor(scores), torch.tensor(same), prior)
    z = c.slope * scores + c.offset + math.log(prior / (1 - prior))
    p = 1 / (1 + np.exp(-z))
    w = np.where(same, prior / same.sum(), (1 - prior) / (~same).sum())
    residual = w * (p - same)  # the gradient of a convex loss is 0 at its minimum alone
    assert residual.sum() == pytest.approx(0, abs=1e-12)
    assert residual @ scores == pytest.approx(0, abs=1e-12)
    best = loss(c.slope, c.offset, scores, same, prior)
    for a, b in itertools.product((-0.01, 0.01), repeat=2):
        assert loss(c.slope + a, c.offset + b, scores, same, prior) > best
    assert not c.separable


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), a=st.floats(-6, 6), b=st.floats(-100, 100), power=st.integers(-20, 20))
def test_ratios_do_not_know_the_scale_of_scores(seed, a, b, power):
    scores, same = map(torch.tensor, problem(seed))
    a = (1 if a >= 0 else -1) * (0.1 + abs(a)) * 2.0**power
    before = calibrate(scores, same).llr(scores)
    moved = a * (scores + b)
    assert calibrate(moved, same).llr(moved).tolist() == pytest.approx(before.tolist(), rel=1e-6, abs=1e-6)


def test_calibration_by_hand():
    scores = torch.tensor([2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 0.0])
    c = calibrate(scores, SAME)  # of the scores 2, 3 in 4 are the same, of the scores 0 one in 4
    assert (c.slope, c.offset) == pytest.approx((math.log(3), -math.log(3)))
    assert c.llr(torch.tensor([1.0, 2.0])).tolist() == pytest.approx([0, math.log(3)])
    # ratios of probabilities know no prior, where two scores leave the map no other choice
    assert calibrate(scores, SAME, prior=0.01).slope == pytest.approx(math.log(3))


def test_calibration_lowers_the_cost():
    scores, same = map(torch.tensor, problem(1, 400))
    raw = cllr(scores, same)
    calibrated = cllr(calibrate(scores, same).llr(scores), same)
    assert min_cllr(scores, same) <= calibrated < raw
    assert calibrated < 1


@pytest.mark.parametrize(
    "scores", [[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 2.0, 0.0], [0.0, 1.0, 2.0, 3.0], [3, 2, 2 - 1e-9, 1]]
)
def test_separable_scores_are_bounded_and_said(scores):
    same = torch.tensor([True, True, False, False])
    with pytest.warns(UserWarning, match=r"the scores separate all 2 same from all 2 different pairs"):
        c = calibrate(torch.tensor(scores, dtype=torch.float64), same)
    assert c.separable
    assert math.isfinite(c.slope)
    assert c.slope * (scores[0] - scores[-1]) > 0
    assert "separable" in str(c)
    # the mean of p over the same pairs is Platt's (2 + 1) / (2 + 2), over the others 1 / (2 + 2), at prior 1/2
    assert torch.sigmoid(c.llr(torch.tensor(scores, dtype=torch.float64))).mean().item() == pytest.approx(0.5)


def test_two_points_that_separate_reach_platts_targets():
    with pytest.warns(UserWarning, match="separate"):
        c = calibrate(torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([True, True, True, False]))
    assert torch.sigmoid(c.llr(torch.tensor([1.0, 0.0]))).tolist() == pytest.approx([4 / 5, 1 / 3])


def test_scores_that_say_nothing():
    c = calibrate(torch.full((8,), 0.3), SAME, prior=0.1)
    assert (c.slope, c.offset, c.separable) == (0, 0, False)
    assert cllr(c.llr(torch.full((8,), 0.3)), SAME) == min_cllr(torch.full((8,), 0.3), SAME) == 1


def test_nearly_separable_scores_converge():
    torch.manual_seed(0)
    same = torch.arange(2000) < 1000
    scores = torch.where(same, 1.0, 0.0) + 0.001 * torch.rand(2000)
    scores[0] = -1e-4  # one same pair below all others
    c = calibrate(scores, same)
    assert not c.separable
    assert c.slope > 0


@pytest.mark.parametrize("prior", [1e-6, 0.5, 1 - 1e-6])
@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_one_score_far_off_and_a_far_prior_do_no_harm(prior, size):
    scores, same = problem(8)
    scores *= size
    scores[0] = -300  # a same pair
    c = calibrate(torch.tensor(scores), torch.tensor(same), prior)
    z = c.slope * scores + c.offset + math.log(prior / (1 - prior))
    w = np.where(same, prior / same.sum(), (1 - prior) / (~same).sum())
    p = 1 / (1 + np.exp(-np.clip(z, -700, 700)))
    curvature = w * p * (1 - p)
    centred = scores - curvature @ scores / curvature.sum()
    newton = (w * (p - same)) @ centred / (curvature @ centred**2)  # by how far the slope is off, to second order
    assert newton == pytest.approx(0, abs=1e-6 * abs(c.slope))


@pytest.mark.parametrize("prior", [1e-6, 1 - 1e-6])
def test_separable_scores_are_bounded_at_a_far_prior(prior):
    with pytest.warns(UserWarning, match="separate"):
        c = calibrate(torch.cat([torch.ones(6), torch.zeros(183)]), torch.arange(189) < 6, prior)
    shift = math.log(prior / (1 - prior))
    expected = [math.log(7 / 1) - shift, math.log(1 / 184) - shift]
    assert c.llr(torch.tensor([1.0, 0.0])).tolist() == pytest.approx(expected)


def test_cost_by_hand():
    assert cllr(torch.zeros(8), SAME) == 1
    llr = torch.tensor([math.inf, -math.inf])
    assert cllr(llr, torch.tensor([True, False])) == 0
    assert cllr(llr, torch.tensor([False, True])) == math.inf
    # same: log2(1 + 1/3), different: log2(1 + 3) and log2(1 + 1/3)
    three = math.log(3)
    expected = (math.log2(4 / 3) + (2 + math.log2(4 / 3)) / 2) / 2
    assert cllr(torch.tensor([three, three, -three]), torch.tensor([True, False, False])) == pytest.approx(expected)
    assert cllr(torch.tensor([800.0, 800.0]), torch.tensor([True, False])) == pytest.approx(800 / (2 * math.log(2)))


def test_least_cost_by_hand():
    # different, same, different, same: p = 0, 1/2, 1/2, 1, so the ratios are -inf, 0, 0, inf: half the pairs cost 1
    same = torch.tensor([False, True, False, True])
    assert pav_llr(torch.arange(4.0), same).tolist() == [-math.inf, 0, 0, math.inf]
    assert min_cllr(torch.arange(4.0), same) == pytest.approx(0.5)
    assert min_cllr(-torch.arange(4.0), same) == pytest.approx(min_cllr(torch.tensor([0.0, 1, 1, 2]), ~same))
    # one pool in all where the scores are upside down
    assert min_cllr(torch.tensor([0.0, 1.0]), torch.tensor([True, False])) == pytest.approx(1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.integers(2, 40))
def test_least_cost_is_that_of_the_isotonic_regression(seed, levels):
    scores, same = problem(seed)
    scores = np.round(scores * levels / 6) / levels  # ties
    values = np.unique(scores)
    counts = np.array([(scores == v).sum() for v in values], dtype=float)
    share = isotonic(np.array([same[scores == v].mean() for v in values]), counts)
    p = np.array([share[int(np.searchsorted(values, s))] for s in scores])
    with np.errstate(divide="ignore"):
        llr = np.log(p) - np.log1p(-p) - math.log(same.sum() / (~same).sum())
    expected = (softplus(-llr[same]).mean() + softplus(llr[~same]).mean()) / (2 * math.log(2))
    scores, same = torch.tensor(scores), torch.tensor(same)
    assert min_cllr(scores, same) == pytest.approx(expected)
    assert min_cllr(scores.exp() * 7 - 3, same) == pytest.approx(expected)  # knows no rising map
    assert min_cllr(scores, same) <= cllr(scores, same)
    assert min_cllr(scores, same) <= 1


@settings(max_examples=50, deadline=None)
@given(data=st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 4)), min_size=1, max_size=12))
def test_pooling_is_isotonic_regression(data):
    y, w = (np.array(side, dtype=float) for side in zip(*data, strict=True))
    got = pool_adjacent_violators(torch.tensor(y), torch.tensor(w))
    assert got.tolist() == pytest.approx(isotonic(y, w))
    assert bool((got.diff() >= 0).all())


def test_pooling_by_hand():
    assert pool_adjacent_violators(torch.tensor([1.0, 3.0, 2.0, 4.0]), torch.ones(4)).tolist() == [1, 2.5, 2.5, 4]
    assert pool_adjacent_violators(torch.tensor([3.0, 1.0]), torch.tensor([1.0, 3.0])).tolist() == [1.5, 1.5]
    assert pool_adjacent_violators(torch.tensor([4.0, 3.0, 2.0]), torch.ones(3)).tolist() == [3, 3, 3]
    assert pool_adjacent_violators(torch.zeros(0), torch.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: calibrate(s, SAME, prior=1.0), r"prior is 1.0, expected a number in \(0, 1\)"),
        (lambda s: calibrate(s, SAME.long()), r"same has shape .* and dtype torch.int64, expected \(8,\) bool"),
        (lambda s: calibrate(s, SAME[:3]), r"same has shape \(3,\) .*expected \(8,\) bool"),
        (lambda s: calibrate(s, SAME | True), r"same is true in 8 of 8 pairs, expected both kinds"),
        (lambda s: calibrate(s, SAME & False), r"same is true in 0 of 8 pairs, expected both kinds"),
        (lambda s: calibrate(1 / s, SAME), r"scores\[0\] is inf, expected a finite number"),
        (lambda s: cllr(0 / s, SAME), r"llr\[0\] is nan, expected a number"),
        (lambda s: min_cllr(s[:, None], SAME), r"scores has shape \(8, 1\) .*expected \(N,\) floats"),
        (lambda s: pool_adjacent_violators(s, s[:2]), r"values has shape \(8,\) and weights \(2,\)"),
        (lambda s: pool_adjacent_violators(s, s), r"weights\[0\] is 0.0, expected a finite number above 0"),
        (lambda s: Calibration(math.nan, 0.0), r"Calibration: slope is nan, expected a finite number"),
        (lambda s: Calibration(1.0, 0.0, 0.0), r"Calibration: prior is 0.0, expected a number in \(0, 1\)"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.arange(8.0))
