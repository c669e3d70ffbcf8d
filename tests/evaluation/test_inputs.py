"""Arrays of any library, labels of any kind, and inputs that are almost certainly wrong."""

import math
import warnings

import numpy as np
import pytest
import torch

from cones.evaluation import (
    alignment,
    evaluate,
    evaluate_pairs,
    fold_accuracy,
    gallery_probe_split,
    geometry,
    identification,
    mean_directions,
    normalized_mutual_information,
    pair_scores,
    pairs_in_detail,
    retrieval,
    roc,
    threshold_at_far,
    verification,
    verification_intervals,
    verification_of_all_pairs,
)
from cones.plots import det_figure, subject_figure
from cones.plots._style import Figure
from tests.narrowing import instance_of, not_none


def people(subjects=6, samples=5, dims=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(subjects).repeat_interleave(samples)
    return torch.randn(subjects, dims, generator=generator)[labels] + 0.5 * torch.randn(
        len(labels), dims, generator=generator
    ), labels


X, Y = people()
NAMES = np.array(["ann", "bob", "cid", "dan", "eve", "fay"])


class Frame:
    """Stand-in for a pandas object as NumPy sees it: an array, on request."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or self.values.dtype)


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (X.numpy(), Y.numpy()),
        (X.numpy()[::-1][::-1], Y.numpy().astype(np.uint16)),
        (X.tolist(), Y.tolist()),
        (Frame(X.numpy()), Frame(NAMES[Y].astype(object))),
        (X.numpy(), NAMES[Y]),
        (X, NAMES[Y].tolist()),
    ],
)
def test_arrays_and_lists_and_text_labels_are_taken(features, labels):
    expected = evaluate(X, Y, (0.1,), resamples=5)
    found = evaluate(features, labels, (0.1,), resamples=5)
    assert found.figures() == expected.figures()
    assert (found.subject_names is None) == (np.asarray(labels).dtype.kind not in "UO")
    assert geometry(features, labels) == geometry(X, Y)
    assert retrieval(features, labels, resamples=0) == retrieval(X, Y, resamples=0)
    assert identification(features, labels, features, labels, resamples=0).cmc is not None
    assert torch.equal(gallery_probe_split(labels).probes, gallery_probe_split(Y).probes)
    assert alignment(features, labels) == alignment(X, Y)
    assert torch.equal(mean_directions(features, labels), mean_directions(X, Y))
    assert normalized_mutual_information(labels, Y.tolist() if found.subject_names is None else labels) == 1


def test_scores_and_pairs_as_arrays():
    scores, same = np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, False])
    assert verification(scores.tolist(), same.tolist(), min_pairs=1).eer == 0
    assert len(roc(scores, same).far) == 5
    assert fold_accuracy(scores, same, np.array([0, 1, 0, 1])).mean == 0.75
    assert threshold_at_far(scores, same, 0.0) == pytest.approx(0.55)
    assert pair_scores(X.numpy(), [[0, 1]]).shape == (1,)
    ends = np.array([["a", "a"], ["b", "b"], ["a", "b"], ["a", "b"]])
    found = evaluate_pairs(scores, same, ends, (0.5,), min_pairs=1, resamples=5)
    assert (found.subjects, found.subject_names) == (2, ("a", "b"))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["a", 1, "b"], r"labels has dtype|labels holds numbers and text|one kind"),
        ([None, "a", "b"], r"labels\[0\] is None, expected text or an integer: -1 is an unknown subject"),
        ([0.5, 1.0, 2.0], r"labels has dtype torch.float64, expected integers"),
        ([-1, -2, 0], r"labels holds -1, an unknown subject, and -2"),
        (np.array([object(), "a", "b"], dtype=object), r"labels\[0\] is <object"),
    ],
)
def test_labels_that_are_none_are_named(labels, text):
    labels = np.array(labels, dtype=object) if isinstance(labels, list) and None in labels else labels
    labels = np.array(labels, dtype=object) if isinstance(labels, list) and "a" in labels else labels
    with pytest.raises(ValueError, match=text):
        evaluate(torch.eye(3), labels)


def test_unknown_subjects_are_impostors_to_all():
    labels = torch.cat([Y, torch.full((4,), -1)])
    x = torch.cat([X, X[:4] + 0.01 * torch.randn(4, 8)])
    found = evaluate(x, labels, (0.1,), resamples=10)
    genuine, rows = 6 * 10, len(x)
    assert (found.verification.genuine, found.pairs) == (genuine, rows * (rows - 1) // 2)
    assert (found.samples, found.subjects, found.unknown) == (rows, 6, 4)
    assert "4 of unknown subjects" in str(found)
    assert not_none(found.details).subjects.tolist() == list(range(6))
    assert not_none(found.retrieval).queries == 30
    assert not_none(found.retrieval).classes == 6
    assert found.geometry == geometry(X, Y) == geometry(x, labels)
    split = gallery_probe_split(labels)
    assert not bool((labels[split.gallery] == -1).any())
    subject_figure(not_none(found.details))
    named = evaluate(x, [*NAMES[Y], *["-1"] * 4], (0.1,), resamples=10)
    assert named.figures() == found.figures()


def test_unknown_subjects_in_gallery_and_probes_never_match():
    found = identification(X, [-1] * 30, X, [-1] * 30, far=(1.0,), resamples=0)
    assert (found.mated, found.non_mated, found.subjects) == (0, 30, 30)
    scores, same = [0.9, 0.1, 0.2], [True, False, False]
    listed = verification_intervals(scores, same, [[1, 1], [-1, -1], [1, -1]], (1.0,), min_pairs=1, resamples=5)
    assert listed.resampled == "subjects"
    with pytest.raises(ValueError, match=r"subjects\[0\] is \[-2, -3\], but same\[0\] is True"):
        verification_intervals(scores, same, [[-1, -1], [2, 3], [1, 2]], (1.0,), min_pairs=1, resamples=5)


def test_zero_rows_are_counted_and_told():
    x = X.clone()
    x[[3, 8]] = 0
    assert verification_of_all_pairs(x, Y).zero_rows == 2
    found = evaluate(x, Y, resamples=0)
    assert found.zero_rows == 2
    assert "2 embeddings are 0, and their cosine is 0 with everything" in str(found)
    assert evaluate(x, Y, similarity="euclidean", resamples=0).zero_rows == 0
    assert "zero" not in str(evaluate(X, Y, resamples=0))


@pytest.mark.parametrize(
    "ask", [verification, roc, fold_accuracy, verification_intervals, evaluate_pairs, pairs_in_detail]
)
def test_distances_are_asked_about_once(ask):
    distances, same = torch.arange(40.0), torch.arange(40) < 20
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask(distances, same)
    assert [str(w.message).partition(":")[0] for w in caught] == [
        "the AUC is 0 over 20 genuine and 20 impostor pairs, far below 0.5"
    ]
    ask(-distances, same)


def test_a_row_with_itself_is_refused():
    with pytest.raises(ValueError, match=r"rows\[1\] is \[2, 2\], a row with itself"):
        evaluate_pairs([0.9, 0.1], [True, False], rows=[[0, 1], [2, 2]])


def test_an_evaluation_shows_itself_shortly_and_as_a_table():
    found = evaluate(X, NAMES[Y], (0.1,), resamples=5)
    assert len(repr(found)) < 200
    assert "30 samples of 6 subjects" in repr(found)
    page = found._repr_html_()
    for figure in found.figures():
        assert f">{figure.value_text}<" in page
    assert instance_of(Figure, det_figure(not_none(found.details)))._repr_png_()[:4] == b"\x89PNG"
    assert len(repr(found.details)) < 300


def test_every_figure_has_one_name_and_one_unit():
    found = evaluate(X, Y, (0.1, 1e-9), resamples=5)
    lines = {figure.name: figure for figure in found.figures()}
    angle = lines["mean angle within classes"]
    assert (angle.value, angle.unit) == (math.degrees(not_none(found.geometry).mean_intra_angle), "degrees")
    assert angle.value_text == f"{angle.value:.1f}°"
    assert lines["EER"].threshold == found.verification.eer_threshold
    assert lines["TAR at FAR 1e-09"].value_text == "n/a"


def test_progress_hears_of_every_stage():
    heard: dict[str, tuple[int, int]] = {}
    evaluate(X, Y, (0.1,), resamples=5, progress=lambda stage, done, total: heard.__setitem__(stage, (done, total)))
    assert {"pairs of high score", "probes", "queries", "clusters", "draws of subjects"} <= set(heard)
    assert all(done <= total for done, total in heard.values())
