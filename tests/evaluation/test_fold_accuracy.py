"""k-fold accuracy: the protocol written out, fold by fold and threshold by threshold."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cones.evaluation import fold_accuracy


def accuracy(scores, same, threshold):
    return np.mean((scores >= threshold) == same)


def brute_force(scores, same, folds):
    """Accuracies and thresholds; the highest of the best thresholds."""
    accuracies, thresholds = [], []
    for fold in sorted(set(folds.tolist())):
        rest = folds != fold
        tried = [math.inf, *sorted(set(scores[rest].tolist()), reverse=True)]
        best = max(tried, key=partial(accuracy, scores[rest], same[rest]))  # max takes the first
        accuracies.append(accuracy(scores[~rest], same[~rest], best))
        thresholds.append(best)
    return accuracies, thresholds


@st.composite
def folded(draw):
    count = draw(st.integers(2, 40))
    values = draw(st.sampled_from([st.integers(-3, 3).map(float), st.floats(-1, 1, width=32)]))
    scores = draw(st.lists(values, min_size=count, max_size=count))
    same = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    rest = draw(st.lists(st.integers(-1, 5), min_size=count - 2, max_size=count - 2))
    return np.array(scores), np.array(same), np.array(draw(st.permutations([0, 1, *rest])))


@given(folded())
def test_each_fold_at_the_best_threshold_of_the_others(drawn):
    scores, same, folds = drawn
    found = fold_accuracy(torch.from_numpy(scores), torch.from_numpy(same), torch.from_numpy(folds))
    accuracies, thresholds = brute_force(scores, same, folds)
    assert list(found.thresholds) == thresholds
    assert found.accuracies == pytest.approx(accuracies)
    assert found.mean == pytest.approx(np.mean(accuracies))
    assert found.standard_error == pytest.approx(np.std(accuracies, ddof=1) / len(accuracies) ** 0.5, abs=1e-12)


def test_a_number_cuts_the_list_in_its_order():
    torch.manual_seed(0)
    scores, same = torch.randn(23), torch.rand(23) < 0.5
    folds = torch.tensor([i * 5 // 23 for i in range(23)])
    assert torch.bincount(folds).tolist() == [5, 5, 4, 5, 4]
    assert fold_accuracy(scores, same, 5) == fold_accuracy(scores, same, folds)


def test_lists_as_long_as_those_of_lfw():
    # ten folds of 300 genuine and 300 impostor pairs; normal scores 2 apart are told apart in Phi(1) of the cases
    torch.manual_seed(0)
    same = torch.arange(6000) % 600 < 300
    found = fold_accuracy(torch.randn(6000) + 2 * same, same)
    assert len(found.accuracies) == 10
    assert abs(found.mean - 0.8413) < 4 * found.standard_error
    assert 0.002 < found.standard_error < 0.01
    assert found.thresholds == pytest.approx([1.0] * 10, abs=0.2)


def test_of_equal_thresholds_the_highest_is_taken():
    # on the other fold 0.9 and 0.3 both get 3 of 4 right
    scores = torch.tensor([0.9, 0.6, 0.3, 0.1, 0.5, 0.0])
    same = torch.tensor([True, False, True, False, True, False])
    found = fold_accuracy(scores, same, torch.tensor([0, 0, 0, 0, 1, 1]))
    assert found.thresholds[1] == pytest.approx(0.9)
    assert found.accuracies[1] == 0.5


def test_one_kind_of_pairs():
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert fold_accuracy(scores, torch.zeros(4, dtype=torch.bool), 2).thresholds == (math.inf, math.inf)
    assert fold_accuracy(scores, torch.zeros(4, dtype=torch.bool), 2).mean == 1.0
    found = fold_accuracy(scores, torch.ones(4, dtype=torch.bool), 2)
    assert found.accuracies == (0.0, 1.0)


S, K = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([True, False, True])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fold_accuracy(S, K, 1), r"folds is 1, expected 2 to 3"),
        (lambda: fold_accuracy(S, K, 4), r"folds is 4, expected 2 to 3"),
        (lambda: fold_accuracy(S, K, torch.tensor([7, 7, 7])), r"folds has 1 fold, expected two or more"),
        (lambda: fold_accuracy(S, K, torch.tensor([0, 1])), r"folds has shape \(2,\), expected \(3,\)"),
        (lambda: fold_accuracy(S, K, torch.tensor([0.0, 1, 2])), r"folds has dtype torch.float32, expected integers"),
        (lambda: fold_accuracy(S * math.nan, K, 2), r"scores\[0\] is nan"),
    ],
)
def test_errors_say_what_is_wrong(call, text):
    with pytest.raises(ValueError, match=text):
        call()
