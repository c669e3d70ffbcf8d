"""Figures of verification: worked examples, and a brute-force count over every threshold."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from cones.evaluation import roc, verification


def rates(scores, same, threshold):
    """FAR and FRR when score >= threshold is accepted, counted one by one."""
    accepted = [s >= threshold for s in scores]
    impostors = [a for a, g in zip(accepted, same, strict=True) if not g]
    genuine = [a for a, g in zip(accepted, same, strict=True) if g]
    return sum(impostors) / len(impostors), sum(not a for a in genuine) / len(genuine)


def thresholds(scores):
    return [math.inf, *sorted(set(scores), reverse=True)]


def brute_tar(scores, same, far):
    return max(1 - frr for f, frr in (rates(scores, same, t) for t in thresholds(scores)) if f <= far)


def brute_eer(scores, same):
    """Walk along the curve until FAR passes FRR; the crossing of two straight lines."""
    path = [rates(scores, same, t) for t in thresholds(scores)]
    for (a, b), (c, d) in itertools.pairwise(path):
        if c >= d:
            # FAR = a + x (c - a) meets FRR = b + x (d - b)
            x = (b - a) / ((c - a) - (d - b))
            return a + x * (c - a)
    raise AssertionError("no crossing")


def brute_auc(scores, same):
    genuine = np.array(scores)[np.array(same)]
    impostors = np.array(scores)[~np.array(same)]
    wins = (genuine[:, None] > impostors) + 0.5 * (genuine[:, None] == impostors)
    return wins.mean()


def brute_dcf(scores, same, p, miss, alarm):
    costs = []
    for t in thresholds(scores):
        far, frr = rates(scores, same, t)
        costs.append(miss * p * frr + alarm * (1 - p) * far)
    return min(costs) / min(miss * p, alarm * (1 - p))


def accepts_as_the_next_number(scores, threshold):
    """Tell whether no float32 number lies between the threshold, a score, and the next lower score."""
    lower = max((score for score in scores if score < threshold), default=-math.inf)
    between = np.nextafter(np.float32(lower), np.float32(math.inf))
    return bool(between >= np.float32(threshold))


@st.composite
def pairs(draw, values):
    """Scores with at least one genuine and one impostor pair."""
    count = draw(st.integers(2, 40))
    scores = draw(st.lists(values, min_size=count, max_size=count))
    same = draw(st.lists(st.booleans(), min_size=count - 2, max_size=count - 2))
    return scores, draw(st.permutations([True, False, *same]))


TIED = st.integers(-3, 3).map(float)
REAL = st.floats(-1, 1, width=32)
FAR = (0.01, 0.1, 0.29, 0.5, 1.0)


@given(pairs(st.one_of(TIED, REAL)), st.floats(0.01, 0.99), st.sampled_from([(1.0, 1.0), (10.0, 1.0), (1.0, 3.0)]))
def test_every_figure_is_the_brute_force_count(drawn, p, costs):
    scores, same = drawn
    found = verification(torch.tensor(scores), torch.tensor(same), FAR, p_target=p, costs=costs, min_pairs=1)
    assert found.genuine == sum(same)
    assert found.impostors == len(same) - sum(same)
    assert found.eer == pytest.approx(brute_eer(scores, same), abs=1e-12)
    assert found.auc == pytest.approx(brute_auc(scores, same), abs=1e-12)
    assert found.min_dcf == pytest.approx(brute_dcf(scores, same, p, *costs), abs=1e-12)
    far, frr = rates(scores, same, found.min_dcf_threshold)
    mean = costs[0] * p * frr + costs[1] * (1 - p) * far
    assert mean / min(costs[0] * p, costs[1] * (1 - p)) == pytest.approx(found.min_dcf, abs=1e-12)
    for asked, point in zip(FAR, found.tar, strict=True):
        if asked < 1 / found.impostors:
            assert point.tar is None
            assert f"{found.impostors} impostor pairs" in found.refused[f"tar@{asked:g}"]
            continue
        assert point.tar == pytest.approx(brute_tar(scores, same, asked), abs=1e-12)
        assert point.threshold not in scores or accepts_as_the_next_number(scores, point.threshold)
        far, frr = rates(scores, same, point.threshold)
        assert (point.reached, point.frr) == (far, frr)
        assert far <= asked


@pytest.mark.filterwarnings("ignore:the AUC is")
@given(pairs(st.one_of(TIED, REAL)))
def test_the_curve_has_a_point_at_every_distinct_score(drawn):
    scores, same = drawn
    curve = roc(torch.tensor(scores), torch.tensor(same))
    assert curve.threshold.tolist() == thresholds(scores)
    for t, far, tar in zip(curve.threshold.tolist(), curve.far.tolist(), curve.tar.tolist(), strict=True):
        expected = rates(scores, same, t)
        assert far == expected[0]
        assert tar == pytest.approx(1 - expected[1], abs=1e-15)


@pytest.mark.filterwarnings("ignore:the AUC is")
@given(pairs(st.one_of(TIED, REAL)))
def test_corners_draw_the_same_curve(drawn):
    scores, same = drawn
    curve = roc(torch.tensor(scores), torch.tensor(same))
    few = curve.corners()
    assert len(few.far) <= len(curve.far)
    area = torch.trapezoid(curve.tar, curve.far)
    assert torch.trapezoid(few.tar, few.far).item() == pytest.approx(area.item(), abs=1e-12)
    kept = set(zip(few.far.tolist(), few.tar.tolist(), strict=True))
    assert kept <= set(zip(curve.far.tolist(), curve.tar.tolist(), strict=True))


def test_perfect_scores():
    scores = torch.tensor([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    found = verification(scores, scores > 0.5, far=(0.4, 1.0), min_pairs=3)
    assert (found.eer, found.auc, found.min_dcf) == (0.0, 1.0, 0.0)
    assert found.eer_threshold == found.min_dcf_threshold == pytest.approx(0.5)
    assert (found.tar[0].tar, found.tar[0].frr) == (1.0, 0.0)
    assert found.tar[0].reached == pytest.approx(1 / 3)
    assert found.tar[0].threshold == pytest.approx(0.25)
    assert found.tar[1].threshold == -math.inf


def test_all_scores_equal_say_nothing():
    found = verification(torch.full((8,), 0.5), torch.arange(8) < 4, far=(0.25, 1.0), min_pairs=4)
    assert (found.eer, found.auc, found.min_dcf) == (0.5, 0.5, 1.0)
    assert (found.tar[0].tar, found.tar[0].threshold) == (0.0, math.inf)
    assert (found.tar[1].tar, found.tar[1].threshold) == (1.0, -math.inf)


def test_tied_pairs_go_together():
    # at 0.5 one impostor and both genuine pairs are accepted at once: there is no point between
    scores = torch.tensor([0.5, 0.5, 0.5, 0.1, 0.0, 0.0])
    same = torch.tensor([True, True, False, False, False, False])
    found = verification(scores, same, far=(0.25,), min_pairs=1)
    assert (found.tar[0].tar, found.tar[0].reached) == (1.0, 0.25)
    assert found.eer == pytest.approx(0.2)  # x/4 = 1 - x at x = 0.8


def test_a_rate_is_compared_as_a_quotient():
    # 0.29 * 100 is 28.999999999999996 in float64, and 29 of 100 impostors are still 0.29
    scores = torch.cat([torch.arange(100.0), torch.full((10,), 71.0)])
    found = verification(scores, torch.arange(110) >= 100, far=(0.29,))
    assert (found.tar[0].reached, found.tar[0].threshold, found.tar[0].tar) == (0.29, 70.5, 1.0)


def test_infinite_and_float64_scores():
    scores = torch.tensor([math.inf, 1.0 + 1e-12, 1.0, -math.inf], dtype=torch.float64)
    found = verification(scores, torch.tensor([True, True, False, False]), far=(0.5,), min_pairs=1)
    assert (found.eer, found.auc) == (0.0, 1.0)


@pytest.mark.parametrize("same", [[True] * 12, [False] * 12, [True] * 3 + [False] * 9, []])
def test_too_few_pairs_are_refused_with_the_reason(same):
    found = verification(torch.zeros(len(same)), torch.tensor(same, dtype=torch.bool), far=(0.1,))
    assert found.eer is found.auc is found.min_dcf is found.tar[0].tar is found.tar[0].threshold is None
    assert set(found.refused) == {"eer", "auc", "min_dcf", "tar@0.1"}
    kind, count = ("genuine", sum(same)) if sum(same) < 10 else ("impostor", len(same) - sum(same))
    assert found.refused["eer"] == f"{count} {kind} pairs are too few, at least 10 are needed"
    assert f"EER                n/a: {count} {kind} pairs are too few" in str(found)


def test_det_is_the_curve_in_normal_deviates():
    curve = roc(torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([True, True, False, False]))
    far, frr = curve.det()
    assert far.tolist() == [-math.inf, -math.inf, 0.0, math.inf]
    assert frr.tolist() == [math.inf, 0.0, -math.inf, -math.inf]


def test_scikit_learn_finds_the_same():
    torch.manual_seed(0)
    same = torch.rand(3000) < 0.3
    scores = (torch.randn(3000) + 1.5 * same).mul(20).round().div(20)  # with ties
    found, curve = verification(scores, same, far=(0.01, 0.1)), roc(scores, same)
    far, tar, thresholds = metrics.roc_curve(same.numpy(), scores.double().numpy(), drop_intermediate=False)
    assert found.auc == pytest.approx(metrics.roc_auc_score(same.numpy(), scores.numpy()), abs=1e-12)
    np.testing.assert_allclose(curve.far, far, atol=1e-15)
    np.testing.assert_allclose(curve.tar, tar, atol=1e-15)
    np.testing.assert_array_equal(curve.threshold, thresholds)
    for point in found.tar:
        assert point.tar == pytest.approx(tar[far <= point.far].max(), abs=1e-15)
    assert found.eer == pytest.approx(np.interp(0, far - (1 - tar), far), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_scores_of_other_types_and_with_a_gradient(dtype):
    scores = torch.tensor([0.75, 0.5, 0.25, 0.0], dtype=dtype, requires_grad=True)
    found = verification(scores, torch.tensor([True, False, True, False]), far=(0.5,), min_pairs=1)
    assert (found.eer, found.auc, found.tar[0].threshold) == (0.5, 0.75, 0.125)


TWO, KINDS = torch.tensor([0.1, 0.2]), torch.tensor([True, False])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: verification(torch.tensor([0.1, math.nan]), KINDS), r"scores\[1\] is nan.*drop the pair"),
        (lambda: verification(torch.zeros(2, 1), KINDS), r"scores has shape \(2, 1\).*expected \(N,\) floats"),
        (lambda: verification(torch.tensor([1, 2]), KINDS), r"dtype torch.int64, expected \(N,\) floats"),
        (lambda: verification(TWO, KINDS[:1]), r"same has shape \(1,\).*expected \(2,\) bool"),
        (lambda: verification(TWO, torch.tensor([1, 0])), r"same .*dtype torch.int64.*bool"),
        (lambda: verification(TWO, KINDS, far=(1e-3, 10)), r"far holds 10, expected rates in \[0, 1\]"),
        (lambda: verification(TWO, KINDS, p_target=1), r"p_target is 1, expected a probability"),
        (lambda: verification(TWO, KINDS, costs=(1, 0)), r"costs is \(1, 0\), expected two numbers above 0"),
        (lambda: verification(TWO, KINDS, min_pairs=0), r"min_pairs is 0, expected at least 1"),
        (lambda: roc(TWO, torch.tensor([True, True])), r"same is true in 2 of 2 pairs, expected both"),
    ],
)
def test_errors_say_what_is_wrong(call, text):
    with pytest.raises(ValueError, match=text):
        call()
