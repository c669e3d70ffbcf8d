"""Collapse, spread and dimensions of features: known answers, brute force in NumPy, invariances."""

import dataclasses
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cones.evaluation.blocks
from cones.evaluation import (
    alignment,
    class_directions,
    effective_rank,
    feature_space,
    mean_directions,
    neural_collapse,
    participation_ratio,
    rank_correlation,
    simplex_distance,
    uniformity,
)
from tests.narrowing import not_none


def simplex(classes, dims=None, seed=0):
    """(K, D) vertices of a simplex about 0, turned at random."""
    dims = classes if dims is None else dims
    corners = np.eye(classes) - 1 / classes
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(dims, dims)))[0]
    flat = np.linalg.svd(corners)[0][:, : classes - 1] * np.linalg.svd(corners)[1][: classes - 1]
    return torch.tensor(np.pad(flat, ((0, 0), (0, dims - classes + 1))) @ turn)


def problem(seed, rows=31, classes=7, dims=5):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(classes, size=rows - classes)])
    w = rng.normal(size=(classes, dims))
    return w[y] + 0.5 * rng.normal(size=(rows, dims)) + 0.3, y, w


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def collapse_by_hand(x, y, w, predicted):
    k = len(w)
    means = np.stack([x[y == c].mean(0) for c in range(k)])
    middle = means.mean(0)
    m = means - middle
    s_w = sum(np.cov(x[y == c].T, bias=True) for c in range(k)) / k
    s_b = sum(np.outer(a, a) for a in m) / k
    lengths = np.linalg.norm(m, axis=1)
    cosines = np.array([unit(m)[i] @ unit(m)[j] for i in range(k) for j in range(i)])
    gram = m @ m.T
    best = (np.eye(k) - 1 / k) / math.sqrt(k - 1)
    nearest = np.array([np.argmin(np.linalg.norm(means - a, axis=1)) for a in x])
    return {
        "within_class": np.trace(s_w @ np.linalg.pinv(s_b, rcond=1e-10)) / k,
        "norm_variation": lengths.std() / lengths.mean(),
        "cosine_variation": cosines.std(),
        "simplex_cosine": np.abs(cosines + 1 / (k - 1)).mean(),
        "simplex_distance": np.linalg.norm(gram / np.linalg.norm(gram) - best),
        "self_duality": np.linalg.norm(w / np.linalg.norm(w) - m / np.linalg.norm(m)) ** 2,
        "nearest_mean_agreement": (nearest == predicted).mean(),
    }


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 9), dims=st.integers(2, 12))
def test_collapse_by_its_formulas(seed, classes, dims):
    x, y, w = problem(seed, 40, classes, dims)
    predicted = np.argmax(x @ w.T, axis=1)
    got = neural_collapse(torch.tensor(x), torch.tensor(y), torch.tensor(w), torch.tensor(predicted))
    assert dataclasses.asdict(got) == pytest.approx(collapse_by_hand(x, y, w, predicted), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(("classes", "dims"), [(2, 2), (3, 2), (5, 5), (23, 30)])
def test_a_simplex_is_full_collapse(classes, dims):
    w = simplex(classes, dims)
    y = torch.arange(classes).repeat_interleave(torch.arange(classes) % 3 + 1)  # unequal sizes
    n = neural_collapse(3 * w[y] + 7, y, w, y)
    assert n.within_class == pytest.approx(0, abs=1e-12)
    for value in (n.norm_variation, n.cosine_variation, n.simplex_cosine, n.simplex_distance, n.self_duality):
        assert value == pytest.approx(0, abs=1e-7)
    assert n.nearest_mean_agreement == 1
    assert class_directions(w).nearest_angle.tolist() == pytest.approx([math.acos(-1 / (classes - 1))] * classes)


def test_within_class_scatter_by_hand():
    # means -2 and 2, so S_B = 4; rows 1 away from them, so S_W = 1: 1/4 over two classes
    x = torch.tensor([[-3.0], [-1.0], [1.0], [3.0]])
    assert neural_collapse(x, torch.tensor([0, 0, 1, 1])).within_class == pytest.approx(1 / 8)


def test_scatter_across_the_means_does_not_count():
    x = torch.tensor([[-2.0, 1.0], [-2.0, -1.0], [2.0, 1.0], [2.0, -1.0]])
    assert neural_collapse(x, torch.tensor([0, 0, 1, 1])).within_class == pytest.approx(0, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), power=st.integers(-150, 150))
def test_no_measure_knows_rotation_or_length(seed, power):
    x, y, w = problem(seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    length = 10.0**power
    predicted = torch.tensor(np.argmax(x @ w.T, axis=1))
    before = feature_space(torch.tensor(x), torch.tensor(y), torch.tensor(w), predicted)
    turned, weight = torch.tensor(length * x @ turn), torch.tensor(length * w @ turn)
    after = feature_space(turned, torch.tensor(y), weight, predicted)
    same = {"alignment", "uniformity", "effective_rank", "participation_ratio"}
    for name in same:
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-7)
    assert vars(after.collapse) == pytest.approx(vars(before.collapse), rel=1e-6)
    for name in ("nearest_angle", "angle_counts"):
        assert getattr(after.head, name).tolist() == pytest.approx(getattr(before.head, name).tolist())


def test_collapse_is_none_where_it_is_not_defined():
    one = neural_collapse(torch.randn(5, 3), torch.zeros(5, dtype=torch.long), torch.randn(1, 3))
    assert set(vars(one).values()) == {None}
    x = torch.ones(4, 3)
    same = neural_collapse(x, torch.tensor([0, 0, 1, 1]), torch.randn(2, 3), torch.tensor([0, 0, 0, 1]))
    assert same.within_class is same.norm_variation is same.simplex_distance is same.self_duality is None
    middle = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])  # the third mean stands in the middle
    flat = neural_collapse(middle, torch.arange(3))
    assert flat.cosine_variation is flat.simplex_cosine is None
    assert flat.norm_variation == pytest.approx(math.sqrt(0.5))
    absent = neural_collapse(torch.randn(4, 3), torch.tensor([0, 0, 2, 2]), torch.randn(3, 3))
    assert absent.self_duality is None
    assert absent.within_class is not None


def test_opposite_weights_are_farthest_from_the_means():
    w = simplex(4)
    assert neural_collapse(w, torch.arange(4), -w).self_duality == pytest.approx(4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), alpha=st.sampled_from([1.0, 2.0, 3.5]), t=st.sampled_from([0.5, 2.0, 500.0]))
def test_alignment_and_uniformity_over_all_pairs(seed, alpha, t):
    x, y, _ = problem(seed)
    u, n = unit(x), len(x)
    near = [np.linalg.norm(u[i] - u[j]) ** alpha for i in range(n) for j in range(i) if y[i] == y[j]]
    all_pairs = np.array([-t * np.sum((u[i] - u[j]) ** 2) for i in range(n) for j in range(i)])
    largest = all_pairs.max()
    assert alignment(torch.tensor(x), torch.tensor(y), alpha) == pytest.approx(np.mean(near))
    expected = largest + np.log(np.mean(np.exp(all_pairs - largest)))
    assert uniformity(torch.tensor(x), t) == pytest.approx(expected)


def test_alignment_and_uniformity_by_hand():
    x, y = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), torch.tensor([4, 4, 4])
    assert alignment(x, y) == pytest.approx(4 / 3)  # squared distances 0, 2, 2
    assert uniformity(x) == pytest.approx(math.log((1 + 2 * math.exp(-4)) / 3))
    assert alignment(x, torch.arange(3)) is None
    assert uniformity(x[:1]) is None
    assert alignment(torch.ones(9, 4), torch.zeros(9, dtype=torch.long), 1.0) == 0


def test_isotropic_features_have_all_dimensions():
    x = torch.cat([torch.eye(7), -torch.eye(7)]) + 100
    assert effective_rank(x) == pytest.approx(7)
    assert participation_ratio(x) == pytest.approx(7)
    line = torch.arange(9.0)[:, None] * torch.randn(1, 7)
    assert effective_rank(line) == pytest.approx(1, abs=1e-6)
    assert effective_rank(torch.full((5, 3), 0.1)) is participation_ratio(torch.full((5, 3), 0.1)) is None
    assert effective_rank(torch.randn(1, 3)) is effective_rank(torch.zeros(4, 3)) is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 20), dims=st.integers(2, 9))
def test_dimensions_by_their_formulas(seed, rows, dims):
    x = np.random.default_rng(seed).normal(size=(rows, dims)) * np.arange(1, dims + 1)
    p = np.linalg.svd(np.cov(x.T, bias=True))[1]
    p = p / p.sum()
    entropy = -sum(q * math.log(q) for q in p if q > 1e-15)
    rank, ratio = not_none(effective_rank(torch.tensor(x))), not_none(participation_ratio(torch.tensor(x)))
    assert rank == pytest.approx(math.exp(entropy), rel=1e-9)
    assert ratio == pytest.approx(1 / np.sum(p**2), rel=1e-9)
    assert 1 - 1e-9 <= ratio <= rank + 1e-9 <= min(rows - 1, dims) + 1e-6


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 12), dims=st.integers(2, 6))
def test_directions_by_their_formulas(seed, classes, dims):
    w = np.random.default_rng(seed).normal(size=(classes, dims))
    u = unit(w)
    angles = np.arccos(np.clip(u @ u.T, -1, 1))
    np.fill_diagonal(angles, np.inf)
    pairs = angles[np.triu_indices(classes, 1)]
    d = class_directions(torch.tensor(w))
    assert d.nearest_angle.tolist() == pytest.approx(angles.min(axis=1).tolist())
    assert d.nearest_class.tolist() == angles.argmin(axis=1).tolist()
    assert d.mean_angle == pytest.approx(pairs.mean())
    assert d.nearest_quantiles == pytest.approx(np.quantile(angles.min(axis=1), [0, 0.05, 0.5, 0.95, 1]))
    assert d.angle_counts.tolist() == np.histogram(pairs, bins=36, range=(0, math.pi))[0].tolist()
    assert d.cosine_variation == pytest.approx(np.cos(pairs).std(), abs=1e-12)
    assert d.norm_variation == pytest.approx(np.linalg.norm(w, axis=1).std() / np.linalg.norm(w, axis=1).mean())
    gram, best = w @ w.T, (np.eye(classes) - 1 / classes) / math.sqrt(classes - 1)
    assert simplex_distance(torch.tensor(w)) == pytest.approx(np.linalg.norm(gram / np.linalg.norm(gram) - best))


def test_directions_that_nearly_meet_keep_their_digits():
    d = class_directions(torch.tensor([[1.0, 0.0], [1.0, 1e-12], [0.0, 0.0]], dtype=torch.float64))
    assert d.nearest_angle.tolist() == pytest.approx([1e-12, 1e-12, math.pi / 2], rel=1e-6)


def test_weights_of_zero_have_no_length_to_compare():
    d = class_directions(torch.zeros(3, 2))
    assert d.norm_variation is d.simplex_distance is None
    assert d.nearest_angle.tolist() == pytest.approx([math.pi / 2] * 3)


def test_rank_correlation_by_hand():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    assert rank_correlation(x, -(x**3)) == -1
    assert rank_correlation(x, torch.tensor([2.0, 1.0, 4.0, 3.0, 5.0])) == pytest.approx(1 - 6 * 4 / (5 * 24))
    assert rank_correlation(x, torch.ones(5)) is rank_correlation(x[:1], x[:1]) is None
    # ties share the mean of their ranks: (1.5, 1.5, 3.5, 3.5) against (1, 2, 3, 4)
    assert rank_correlation(torch.tensor([False, False, True, True]), x[:4]) == pytest.approx(4 / math.sqrt(4 * 5))


def test_blocks_do_not_change_the_numbers(monkeypatch):
    x, y, w = map(torch.tensor, problem(3, 60))
    predicted = (x @ w.T).argmax(1)
    whole = feature_space(x, y, w, predicted, x.norm(dim=1))
    for block in (1, 20, 33, 300):
        monkeypatch.setattr(cones.evaluation.blocks, "BLOCK", block)
        part = feature_space(x, y, w, predicted, x.norm(dim=1))
        for name in ("alignment", "uniformity", "effective_rank", "participation_ratio", "norm_correct"):
            assert getattr(part, name) == pytest.approx(getattr(whole, name), rel=1e-12)
        assert vars(part.collapse) == pytest.approx(vars(whole.collapse), rel=1e-9)
        for name in ("mean_angle", "cosine_variation", "simplex_cosine", "simplex_distance"):
            assert getattr(part.head, name) == pytest.approx(getattr(whole.head, name), rel=1e-12)
        assert torch.equal(not_none(part.head).angle_counts, not_none(whole.head).angle_counts)
        assert torch.equal(not_none(part.head).nearest_class, not_none(whole.head).nearest_class)


def test_one_call_holds_all_and_prints_a_table():
    x, y, w = map(torch.tensor, problem(5))
    space = feature_space(x.float(), y, w, (x @ w.T).argmax(1), quality=x.float().norm(dim=1))
    assert space.norm_quality == 1
    assert torch.equal(
        not_none(space.means).nearest_angle, class_directions(mean_directions(x.float(), y)).nearest_angle
    )
    assert space.collapse == neural_collapse(x.float(), y, w, (x @ w.T).argmax(1))
    text = str(space)
    for word in ("alignment", "effective rank", "NC1", "NC4", "means of 7 classes", "weights of 7 classes"):
        assert word in text
    assert re.search(r"NC3 self-duality +-  0: weight", str(feature_space(x, y)))
    assert len({line.find("rank correlation") for line in text.splitlines() if "rank corr" in line}) == 1  # aligned


def test_one_class_and_one_row_are_measured_as_far_as_they_go():
    space = feature_space(torch.ones(1, 3), torch.tensor([2]))
    assert space.geometry is None
    assert space.alignment is space.uniformity is space.effective_rank is None
    assert space.means is None
    assert "alignment" in str(space)
    assert not_none(feature_space(torch.randn(4, 3), torch.zeros(4, dtype=torch.long)).alignment) > 0


def test_zero_features_are_measured():
    space = feature_space(torch.zeros(4, 3), torch.tensor([0, 0, 1, 1]), torch.randn(2, 3))
    assert (space.alignment, space.uniformity, space.effective_rank) == (0, 0, None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: neural_collapse(x[:0], y[:0]), r"features has no rows, expected at least one"),
        (lambda x, y: neural_collapse(x, y[:3]), r"labels has shape \(3,\), expected \(4,\)"),
        (lambda x, y: neural_collapse(x, y.double()), r"labels has dtype torch.float64, expected integers"),
        (lambda x, y: neural_collapse(x, y, x[:, :1]), r"weight has shape \(4, 1\), expected \(K, 2\)"),
        (lambda x, y: neural_collapse(x, y, x[:1]), r"labels holds 1, but weight has 1 rows: expected 0..K-1"),
        (lambda x, y: neural_collapse(x, y, None, y[:2]), r"predicted has shape \(2,\), expected \(4,\)"),
        (lambda x, y: feature_space(x, y, quality=x), r"quality has shape \(4, 2\), expected \(4,\)"),
        (lambda x, y: uniformity(x[0]), r"features has shape \(2,\), expected \(N, D\)"),
        (lambda x, y: uniformity(x, 0.0), r"t is 0.0, expected a finite number above 0"),
        (lambda x, y: alignment(x, y, -1.0), r"alpha is -1.0, expected a finite number above 0"),
        (lambda x, y: effective_rank(x / 0), r"features\[0\] is not finite, expected numbers"),
        (lambda x, y: class_directions(x[:1]), r"weight has 1 row, expected two classes or more"),
        (lambda x, y: rank_correlation(x[:, 0], x[:3, 0]), r"a has shape \(4,\) and b \(3,\), expected \(N,\) both"),
        (lambda x, y: rank_correlation(x[:, 0], 0 / (x[:, 0] - 1)), r"b\[0\] is nan, expected a number"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(4, 2), torch.tensor([0, 0, 1, 1]))
