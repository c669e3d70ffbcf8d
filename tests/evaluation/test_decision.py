"""Thresholds at a false accept rate; decisions written, read back and used."""

import dataclasses
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import (
    Calibration,
    Decision,
    calibrate,
    choose_decision,
    normalised_scores,
    read_decision,
    threshold_at_far,
    write_decision,
)
from cones.evaluation.scores import _files, file_sha256, pair_scores


def problem(seed=0, classes=12, rows=60, dims=6):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(rows) % classes
    x = torch.randn(classes, dims, generator=generator)[y] + 0.8 * torch.randn(rows, dims, generator=generator)
    pairs = torch.combinations(torch.arange(rows))
    return x, pairs, y[pairs[:, 0]] == y[pairs[:, 1]], torch.randn(30, dims, generator=generator)


@settings(max_examples=60, deadline=None)
@given(
    alike=st.lists(st.integers(-4, 6), min_size=1, max_size=12),
    apart=st.lists(st.integers(-6, 4), min_size=1, max_size=12),
    far=st.floats(0, 0.99),
)
def test_threshold_is_the_lowest_that_keeps_the_rate(alike, apart, far):
    far = max(far, 1 / len(apart)) if far else 0.0
    if far == 1:
        far = 0.0
    scores = torch.tensor(alike + apart, dtype=torch.float64)
    same = torch.arange(len(scores)) < len(alike)
    threshold = threshold_at_far(scores, same, far)
    assert sum(s >= threshold for s in apart) / len(apart) <= far
    lower = [s for s in alike + apart if s < threshold]
    # one step lower accepts at least one different pair more, and that is one too many
    assert sum(s >= max(lower) for s in apart) / len(apart) > far


def test_threshold_by_hand():
    scores = torch.tensor([0.9, 0.8, 0.7, 0.5, 0.1], dtype=torch.float64)
    same = torch.tensor([True, True, False, False, False])
    assert threshold_at_far(scores, same, 0.0) == pytest.approx(0.75)
    assert threshold_at_far(scores, same, 0.34) == pytest.approx(0.6)
    assert threshold_at_far(scores, same, 2 / 3) == pytest.approx(0.3)
    # all different pairs score highest: just above them, and nothing is accepted
    assert threshold_at_far(-scores, same, 0.0) == math.nextafter(-0.1, 0)
    # neighbours in float64 leave no middle
    near = torch.tensor([math.nextafter(1.0, 2.0), 1.0], dtype=torch.float64)
    assert threshold_at_far(near, torch.tensor([True, False]), 0.0) == near[0].item()


def test_rates_that_are_whole_numbers_of_pairs_are_not_rounded_down():
    scores, same = torch.cat([torch.full((1,), 200.0), torch.arange(100.0)]), torch.arange(101) < 1
    for number in range(100):  # 0.29 * 100 is 28.999999999999996
        accepted = int((scores[~same] >= threshold_at_far(scores, same, number / 100)).sum())
        assert accepted == number


def test_rate_that_the_pairs_cannot_show_is_said():
    with pytest.warns(UserWarning, match=r"far is 1e-06, but there are only 2 different pairs"):
        threshold_at_far(torch.tensor([1.0, 0.5, 0.0]), torch.tensor([True, False, False]), 1e-6)


SETTINGS = [
    {},
    {"similarity": "euclidean"},
    {"prior": 0.1},
    {"normalisation": "z"},
    {"normalisation": "s", "top": 7, "prior": 0.5},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_decision_is_what_it_was_after_the_disk(tmp_path, setting):
    x, pairs, same, cohort = problem()
    cohort = cohort if "normalisation" in setting else None
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")
    chosen = choose_decision(x, pairs, same, 0.01, cohort=cohort, model=model, **setting)
    write_decision(tmp_path / "folder" / "decision.json", chosen)
    read = read_decision(tmp_path / "folder" / "decision.json", model)
    assert read == chosen
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["decision.json"]
    accepted = read.accept(x, pairs, cohort)
    assert accepted.dtype == torch.bool
    assert accepted[~same].double().mean().item() == read.measured_far <= 0.01
    assert accepted[same].double().mean().item() == read.measured_tar > 0.1
    assert (read.same_pairs, read.different_pairs) == (int(same.sum()), int((~same).sum()))
    assert torch.equal(read.accept(x, pairs[:7], cohort), accepted[:7])
    assert "FAR" in str(read)


def test_scores_are_normalised_and_then_calibrated():
    x, pairs, same, cohort = problem()
    d = choose_decision(x, pairs, same, 0.01, normalisation="s", top=7, cohort=cohort, prior=0.2)
    normalised = normalised_scores(x, pairs, cohort, "s", 7)
    assert d.calibration == calibrate(normalised, same, 0.2)
    assert torch.equal(d.scores(x, pairs, cohort), d.calibration.llr(normalised))
    assert d.threshold == threshold_at_far(d.calibration.llr(normalised), same, 0.01)
    plain = choose_decision(x, pairs, same, 0.01)
    assert torch.equal(plain.scores(x, pairs), pair_scores(x, pairs))


def test_calibration_and_scale_change_no_decision():
    x, pairs, same, _ = problem(3)
    plain = choose_decision(x, pairs, same, 0.05)
    calibrated = choose_decision(x, pairs, same, 0.05, prior=0.01)
    assert torch.equal(plain.accept(x, pairs), calibrated.accept(x, pairs))
    assert torch.equal(plain.accept(7 * x, pairs), plain.accept(x, pairs))


def test_another_cohort_is_refused():
    x, pairs, same, cohort = problem()
    d = choose_decision(x, pairs, same, 0.01, normalisation="t", cohort=cohort)
    assert torch.equal(d.accept(x, pairs, cohort.double()), d.accept(x, pairs, cohort))  # the same numbers
    with pytest.raises(
        ValueError, match=r"cohort has sha256 \w+, but the threshold was chosen with \w+: pass the same"
    ):
        d.accept(x, pairs, cohort.flip(0))
    with pytest.raises(ValueError, match=r'normalisation is "t", which needs a cohort'):
        d.accept(x, pairs)


def test_another_model_is_refused(tmp_path):
    x, pairs, same, _ = problem()
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    assert file_sha256(first) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    write_decision(tmp_path / "d.json", choose_decision(x, pairs, same, 0.01, model=first))
    assert read_decision(tmp_path / "d.json").model_sha256 == file_sha256(first)
    with pytest.raises(
        ValueError, match=r"second has sha256 \w+, but .*d.json was chosen for 7692c3.*a threshold holds"
    ):
        read_decision(tmp_path / "d.json", second)
    write_decision(tmp_path / "d.json", choose_decision(x, pairs, same, 0.01))
    with pytest.raises(ValueError, match=r"d.json names no model, but model is .*first: choose the decision again"):
        read_decision(tmp_path / "d.json", first)


def test_reader_knows_all_fields():
    assert set(_files.KINDS) == {field.name for field in dataclasses.fields(Decision)}
    assert set(_files.CALIBRATION_KINDS) == {field.name for field in dataclasses.fields(Calibration)}


def without(name):
    return lambda written: written.pop(name)


def setting(**values):
    return lambda written: written.update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("format"), r'd.json is not a decision, expected "format": "cones decision"'),
        (setting(version=3), r"d.json has version 3, expected 2"),
        (without("threshold"), r"d.json has no threshold, expected all of threshold, far"),
        (setting(margin=1), r"d.json has the unknown field margin, expected only threshold"),
        (setting(threshold="0.5"), r"d.json: threshold is '0.5', expected float or int"),
        (setting(threshold=True), r"d.json: threshold is True, expected float or int"),
        (setting(threshold=math.nan), r"d.json: Decision: threshold is nan, expected a finite number"),
        (setting(far=1.0), r"Decision: far is 1.0, expected a rate in \[0, 1\)"),
        (setting(measured_tar=2.0), r"Decision: measured_tar is 2.0, expected a rate in \[0, 1\]"),
        (setting(same_pairs=0), r"Decision: same_pairs is 0, expected at least 1"),
        (setting(same_pairs=1.5), r"d.json: same_pairs is 1.5, expected int"),
        (setting(similarity="dot"), r"similarity is 'dot', expected one of cosine, euclidean"),
        (setting(normalisation="x"), r"normalisation is 'x', expected one of none, z, t, s"),
        (setting(normalisation="z"), r'normalisation is "z", which needs a cohort'),
        (setting(top=4), r'normalisation is "none", which takes no cohort and no top'),
        (
            setting(normalisation="z", similarity="euclidean"),
            r"similarity is 'euclidean', but a cohort normalises cosines",
        ),
        (setting(model_sha256="abc"), r"model_sha256 is 'abc', expected 64 hexadecimal digits"),
        (setting(calibration={"slope": 1.0}), r"d.json has no calibration.(offset|prior|separable)"),
        (
            setting(calibration={"slope": -1.0, "offset": 0, "prior": 0.5, "separable": False}),
            r"calibration has the slope -1.0, expected one above 0",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, change, message):
    x, pairs, same, _ = problem()
    path = tmp_path / "d.json"
    write_decision(path, choose_decision(x, pairs, same, 0.01))
    written = json.loads(path.read_text())
    change(written)
    path.write_text(json.dumps(written))
    with pytest.raises(ValueError, match=message):
        read_decision(path)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(ValueError, match=r"d.json is not JSON: .*; write it with write_decision"):
        read_decision(tmp_path / "d.json")
    (tmp_path / "d.json").write_text("[]")
    with pytest.raises(ValueError, match=r"d.json is not a decision"):
        read_decision(tmp_path / "d.json")


def test_scores_that_fall_with_likeness_are_refused():
    x, pairs, same, _ = problem()
    with pytest.raises(ValueError, match=r"prior is 0.5, but the calibration has the slope -.*look at same and pairs"):
        choose_decision(x, pairs, ~same, 0.01, prior=0.5)


@pytest.mark.parametrize(
    ("far", "scores", "message"),
    [
        (1.0, [1.0, 0.0], r"far is 1.0, expected a rate in \[0, 1\)"),
        (-0.1, [1.0, 0.0], r"far is -0.1, expected a rate in \[0, 1\)"),
        (0.0, [math.inf, 0.0], r"scores\[0\] is inf, expected a finite number"),
        (0.0, [math.nan, 0.0], r"scores\[0\] is nan, expected a number"),
    ],
)
def test_threshold_errors_name_the_argument(far, scores, message):
    with pytest.raises(ValueError, match=message):
        threshold_at_far(torch.tensor(scores), torch.tensor([True, False]), far)
