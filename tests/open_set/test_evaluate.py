"""One call for all figures: each equals that of its own function, and refused figures have a reason."""

import pytest
import torch

from cones.evaluation import (
    evaluate,
    evaluate_pairs,
    fold_accuracy,
    gallery_probe_split,
    geometry,
    identification,
    retrieval,
    verification_of_all_pairs,
)
from tests.narrowing import not_none


def people(subjects=9, samples=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(subjects).repeat_interleave(samples)
    centers = torch.randn(subjects, 5, generator=generator)
    return centers[labels] + 0.5 * torch.randn(len(labels), 5, generator=generator), labels


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_every_figure_is_that_of_its_own_function(similarity):
    x, labels = people()
    found = evaluate(x, labels, (0.1, 0.01), similarity, resamples=20, seed=3)
    assert (found.samples, found.subjects) == (54, 9)
    assert found.verification == verification_of_all_pairs(x, labels, (0.1, 0.01), similarity)
    split = gallery_probe_split(labels, seed=3)
    assert found.identification == identification(
        x[split.gallery], labels[split.gallery], x[split.probes], labels[split.probes],
        far=(0.1, 0.01), similarity=similarity, resamples=20, seed=3,
    )  # fmt: skip
    assert found.retrieval == retrieval(x, labels, similarity=similarity, resamples=20, seed=3)
    assert found.geometry == geometry(x, labels)


def test_the_table_has_a_line_for_every_figure_and_the_reason_of_those_refused():
    x, labels = people()
    found = evaluate(x, labels, (0.1, 1e-6), resamples=20)
    lines = {figure.name: figure for figure in found.figures()}
    assert {"TAR at FAR 0.1", "EER", "minDCF", "rank 1", "DIR at FAR 0.1", "R@1", "MAP@R", "mean norm"} <= lines.keys()
    assert lines["TAR at FAR 1e-06"].value is None
    assert "impostor pairs count rates" in lines["TAR at FAR 1e-06"].note
    low, high = not_none(lines["TAR at FAR 0.1"].interval)
    assert low <= not_none(lines["TAR at FAR 0.1"].value) <= high
    text = str(found)
    assert "54 samples of 9 subjects" in text
    assert all(name in text for name in lines)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [5, 5, 5, 5]])
def test_where_nothing_can_be_asked_verification_says_so(labels):
    found = evaluate(torch.randn(4, 3), torch.tensor(labels), resamples=5)
    assert all(part is None for part in (found.identification, found.retrieval, found.geometry, found.details))
    assert all("too few" in figure.note for figure in found.figures())


def test_no_rows():
    found = evaluate(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    assert found.samples == found.subjects == 0
    assert all(figure.value is None for figure in found.figures())


def test_pairs_with_folds():
    generator = torch.Generator().manual_seed(0)
    same = torch.arange(60) % 2 == 0
    scores = same + 0.8 * torch.randn(60, generator=generator)
    folds = torch.arange(60) // 12
    found = evaluate_pairs(scores, same, None, (0.1,), folds=folds, resamples=10)
    assert found.folds == fold_accuracy(scores, same, folds)
    assert "accuracy, 5 folds" in str(found)
    assert found.subjects == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"labels": torch.zeros(54)}, "labels has dtype torch.float32"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"labels has shape \(3,\), expected \(54,\)"),
        ({"far": (0.0,)}, r"far holds 0.0, expected rates in \(0, 1\]"),
        ({"embeddings": torch.full((54, 2), torch.nan)}, r"embeddings\[0\] is not finite"),
    ],
)
def test_wrong_arguments_are_named(change, text):
    x, labels = people()
    with pytest.raises(ValueError, match=text):
        evaluate(**{"embeddings": x, "labels": labels, **change})
