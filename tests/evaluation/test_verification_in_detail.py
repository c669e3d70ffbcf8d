"""Details of a verification, compared with the pairs one by one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import (
    pair_scores,
    pairs_in_detail,
    verification_in_detail,
    verification_intervals,
    verification_of_all_pairs,
)
from cones.evaluation._bootstrap import Bootstrap
from cones.evaluation.verification import _draws, _in_detail, _pairs
from cones.evaluation.verification._points import points_of
from cones.evaluation.verification._tiles import tiles_of
from tests.narrowing import not_none

FAR = (0.3, 0.1, 0.02)


def clusters(rows, subjects, seed, names=None):
    """Rows around random directions, on a grid so coarse that scores tie."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(subjects, (rows,), generator=generator)
    centers = torch.randn(subjects, 3, generator=generator)
    x = (2 * (centers[labels] + 0.6 * torch.randn(rows, 3, generator=generator))).round()
    return x, labels if names is None else names[labels]


def one_by_one(x, labels):
    """Scores (P,) float64 and rows (P, 2) of all pairs."""
    i, j = torch.triu_indices(len(x), len(x), offset=1)
    ends = torch.stack([i, j], 1)
    return pair_scores(x, ends), ends, labels[i] == labels[j]


@given(st.integers(0, 10**6), st.integers(8, 40), st.integers(2, 9), st.integers(3, 50))
@settings(max_examples=40, deadline=None)
def test_figures_and_intervals_are_those_of_the_pairs(seed, rows, subjects, tile):
    x, labels = clusters(rows, subjects, seed)
    found = verification_in_detail(x, labels, FAR, min_pairs=1, resamples=20, tile=tile)
    assert found.figures == verification_of_all_pairs(x, labels, FAR, min_pairs=1, tile=tile)
    if found.intervals is None:
        assert found.figures.eer is None
        return
    _, ends, same = one_by_one(x, labels)
    listed = _pairs.list_pairs(tiles_of(x, labels, "cosine", tile), -torch.inf)
    assert len(listed.genuine.score) == int(same.sum())
    assert len(listed.impostors.score) == int((~same).sum())
    pairs = {tuple(sorted(pair)) for pair in listed.impostors.rows.tolist()}
    assert pairs == {tuple(pair) for pair in ends[~same].tolist()}
    assert torch.equal(listed.labels[listed.genuine.subjects[:, 0]], labels[listed.genuine.rows[:, 0]])
    assert torch.equal(listed.labels[listed.impostors.subjects], labels[listed.impostors.rows])


@pytest.mark.parametrize("most", [30, 100, 10**6])
@pytest.mark.parametrize("seed", range(6))
def test_tar_from_the_listed_pairs_is_that_of_all_pairs(seed, most):
    """However few impostors are listed, a figure is right or not told."""
    x, labels = clusters(30, 6, seed)
    tiles = tiles_of(x, labels, "cosine", 7)
    whole = _pairs.list_pairs(tiles, -torch.inf)
    scores = torch.cat([whole.genuine.score, whole.impostors.score])
    same = torch.arange(len(scores)) < len(whole.genuine.score)
    subjects = torch.cat([whole.genuine.subjects, whole.impostors.subjects])
    listed = _pairs.list_pairs(tiles, _pairs.floor_of(points_of(scores, same), most))
    assert len(listed.impostors.score) <= max(most, 0) or listed.complete
    far = torch.tensor([0.4, 0.2, 0.1, 0.05, 0.01], dtype=torch.float64)
    bootstrap = Bootstrap(60, 0.9, seed)
    draws = _draws.resampled_tar(listed, far, bootstrap)
    ends = draws.quantile(bootstrap.percentiles, dim=0).T
    expected = verification_intervals(
        scores, same, subjects, far.tolist(), min_pairs=1, resamples=60, confidence=0.9, seed=seed
    )
    told = 0
    for interval, true in zip(ends.tolist(), expected.tar, strict=True):
        if true is not None and not math.isnan(interval[0]):
            assert interval == pytest.approx(true)
            told += 1
    assert told >= {30: 0, 100: 1, 10**6: 4}[most]


def test_many_pairs_get_intervals_of_tar_alone(monkeypatch):
    x, labels = clusters(60, 8, 1)
    whole = verification_in_detail(x, labels, FAR, resamples=40)
    monkeypatch.setattr(_in_detail, "FEW", 10)
    some = verification_in_detail(x, labels, FAR, resamples=40)
    intervals = not_none(some.intervals)
    assert torch.tensor(intervals.tar).allclose(torch.tensor(not_none(whole.intervals).tar))
    assert intervals.eer is intervals.auc is intervals.min_dcf is None
    assert "without an interval: too many pairs" in str(intervals)


def test_errors_by_subject_and_hardest_pairs():
    names = torch.tensor([70, 10, 50])
    x, labels = clusters(25, 3, 3, names)
    found = verification_in_detail(x, labels, (0.1,), resamples=0, min_pairs=1)
    details = not_none(found.details)
    scores, ends, same = one_by_one(x, labels)
    assert (details.threshold, details.threshold_far) == (found.figures.tar[0].threshold, 0.1)
    accepted = scores >= details.threshold
    for place, label in enumerate(details.subjects.tolist()):
        own = same & (labels[ends[:, 0]] == label)
        strange = ~same & ((labels[ends] == label).any(dim=1))
        assert details.false_rejects[place] == pytest.approx(1 - accepted[own].double().mean().item())
        assert details.false_accepts[place] == pytest.approx(accepted[strange].double().mean().item())
    assert sorted(details.subjects.tolist()) == [10, 50, 70]
    assert details.hard_genuine_scores[0] == pytest.approx(scores[same].min().item())
    assert details.hard_impostor_scores[0] == pytest.approx(scores[~same].max().item())
    kinds = [tuple(sorted(labels[pair].tolist())) for pair in details.hard_impostors]
    assert len(kinds) == len(set(kinds)) == 3
    assert details.band is None


def test_the_curve_and_the_histogram_tell_of_every_pair():
    x, labels = clusters(50, 5, 4)
    details = not_none(verification_in_detail(x, labels, FAR, resamples=50).details)
    _, _, same = one_by_one(x, labels)
    assert int(details.genuine.sum()) == int(same.sum())
    assert int(details.impostors.sum()) == int((~same).sum())
    assert (details.far[0].item(), details.far[-1].item(), details.tar[-1].item()) == (0, 1, 1)
    assert bool((details.far.diff() >= 0).all() and (details.tar.diff() >= 0).all())
    band = not_none(details.band)
    known = band.isfinite().all(dim=1)
    assert bool((band[known, 0] <= details.tar[known] + 0.2).all())
    assert bool(known.all())


def test_pairs_of_a_list_with_and_without_subjects():
    x, labels = clusters(30, 6, 5)
    scores, ends, same = one_by_one(x, labels)
    found = pairs_in_detail(scores, same, labels[ends], FAR, rows=ends, resamples=30)
    of_rows = verification_in_detail(x, labels, FAR, resamples=30)
    assert torch.tensor(not_none(found.intervals).tar).allclose(torch.tensor(not_none(of_rows.intervals).tar))
    assert torch.equal(not_none(found.details).false_rejects, not_none(of_rows.details).false_rejects)
    without = pairs_in_detail(scores, same, None, FAR, resamples=30)
    assert not_none(without.intervals).resampled == "pairs"
    details = not_none(without.details)
    assert details.band is None
    assert len(details.subjects) == len(details.false_rejects) == len(details.false_accepts) == 0
    assert details.hard_impostors[0, 0] == details.hard_impostors[0, 1]


@pytest.mark.parametrize("labels", [[], [3], [1] * 8, list(range(8))])
def test_where_figures_are_refused_there_are_no_details(labels):
    found = verification_in_detail(torch.randn(len(labels), 4), torch.tensor(labels, dtype=torch.int64))
    assert found.figures.eer is None
    assert found.intervals is None
    assert found.details is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"subjects": torch.zeros(3, 2, dtype=torch.int64)}, r"subjects has shape \(3, 2\), expected \(12, 2\)"),
        ({"rows": torch.zeros(12, dtype=torch.int64)}, r"rows has shape \(12,\), expected \(12, 2\)"),
        ({"confidence": 2.0}, r"confidence is 2.0"),
    ],
)
def test_wrong_arguments_are_named(change, text):
    settings = {"scores": torch.arange(12.0), "same": torch.arange(12) % 2 == 0, "min_pairs": 1, **change}
    with pytest.raises(ValueError, match=text):
        pairs_in_detail(**settings)
