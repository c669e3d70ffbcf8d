"""Bootstrap intervals: a resample pair by pair, and coverage of the intervals."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch

from cones.evaluation import verification, verification_intervals
from tests.narrowing import not_none

FAR = 0.1
SPREAD = 0.7
"""Standard deviation of what a subject adds to its genuine scores, and to its impostor scores."""
APART = 2.5


def simulated(subjects, generator):
    """Scores of all pairs of subjects and of 4 genuine pairs of each; every subject has its own level."""
    own = SPREAD * torch.randn(subjects, generator=generator, dtype=torch.float64)
    other = SPREAD * torch.randn(subjects, generator=generator, dtype=torch.float64)
    a, b = torch.triu_indices(subjects, subjects, offset=1)
    of_one = torch.arange(subjects).repeat(4)
    ends = torch.cat([torch.stack([a, b], 1), torch.stack([of_one, of_one], 1)])
    levels = torch.cat([other[a] + other[b], APART + own[of_one]])
    scores = levels + torch.randn(len(levels), generator=generator, dtype=torch.float64)
    return scores, ends[:, 0] == ends[:, 1], ends


def truth():
    """TAR at FAR and AUC of that simulation with endless subjects."""
    genuine, impostor = NormalDist(APART, math.hypot(1, SPREAD)), NormalDist(0, math.hypot(1, SPREAD, SPREAD))
    tar = 1 - genuine.cdf(impostor.inv_cdf(1 - FAR))
    return tar, 1 - (genuine - impostor).cdf(0)


def coverage(trials, subjects, by_subject, seed):
    """Coverage of 90% intervals of TAR and AUC."""
    generator = torch.Generator().manual_seed(seed)
    tar, auc = truth()
    held = np.zeros(2)
    for trial in range(trials):
        scores, same, ends = simulated(subjects, generator)
        ends = ends if by_subject else None
        found = verification_intervals(scores, same, ends, (FAR,), resamples=200, confidence=0.9, seed=trial)
        of_tar, of_auc = not_none(found.tar[0]), not_none(found.auc)
        held += [of_tar[0] <= tar <= of_tar[1], of_auc[0] <= auc <= of_auc[1]]
    return held / trials


def test_intervals_by_subject_hold_the_truth_as_often_as_they_say():
    # 100 trials: standard error of the coverage 0.03
    held = coverage(100, 40, True, seed=0)
    assert (held >= 0.9 - 3 * 0.03).all(), held


def test_intervals_by_pair_are_too_narrow():
    assert (coverage(60, 40, False, seed=0) < 0.75).all()


@pytest.mark.slow
def test_coverage_over_many_samples():
    # 1000 trials: standard error 0.0095; percentile intervals of 60 subjects may miss by a percent or two more
    held = coverage(1000, 60, True, seed=1)
    assert (abs(held - 0.9) <= 3 * 0.0095 + 0.015).all(), held


def test_a_resample_is_the_list_with_pairs_repeated():
    """Intervals are the percentiles of figures of lists in which each pair stands as often as it was drawn."""
    generator = torch.Generator().manual_seed(3)
    scores, same, ends = simulated(9, generator)
    scores = (4 * scores).round() / 4  # with ties
    names = ends * 7 - 3  # subjects are any integers
    found = verification_intervals(scores, same, names, (0.3, 1e-6), resamples=25, confidence=0.8, seed=5)
    generator, rows = torch.Generator().manual_seed(5), []
    for _ in range(25):
        times = torch.bincount(torch.randint(9, (9,), generator=generator), minlength=9)
        count = [int(times[a] if a == b else times[a] * times[b]) for a, b in ends.tolist()]
        index = torch.arange(len(scores)).repeat_interleave(torch.tensor(count))
        one = verification(scores[index], same[index], (0.3,), min_pairs=1)
        rows.append([one.eer, one.auc, one.min_dcf, one.tar[0].tar])
    low, high = np.quantile(np.array(rows), [0.1, 0.9], axis=0)
    assert (found.resamples, found.resampled, found.confidence) == (25, "subjects", 0.8)
    for interval, a, b in zip((found.eer, found.auc, found.min_dcf, found.tar[0]), low, high, strict=True):
        assert interval == pytest.approx((a, b), abs=1e-12)
    assert found.tar[1] is None
    assert found.figures == verification(scores, same, (0.3, 1e-6))


def test_the_seed_gives_the_intervals():
    scores, same, ends = simulated(10, torch.Generator().manual_seed(0))
    one, two, three = (verification_intervals(scores, same, ends, (FAR,), resamples=50, seed=s) for s in (0, 0, 1))
    assert one == two != three


def test_the_table_says_what_was_resampled_and_refused():
    scores, same, ends = simulated(8, torch.Generator().manual_seed(0))
    text = str(verification_intervals(scores, same, ends, (FAR, 1e-6), resamples=30))
    assert text.startswith("95 % intervals, 30 resamples of subjects\nTAR at FAR 0.1")
    assert "TAR at FAR 1e-06   n/a: 28 impostor pairs count rates of 0.0357 at the least" in text
    few = verification_intervals(scores[:5], same[:5], far=(FAR,))
    assert few.eer is few.tar[0] is None
    assert "EER                n/a: 0 genuine pairs are too few" in str(few)
    assert (few.resampled, few.resamples) == ("pairs", 0)


def test_perfect_scores_leave_no_width():
    same = torch.arange(40) < 20
    found = verification_intervals(same.double(), same, far=(0.1,), resamples=20)
    assert found.auc == found.tar[0] == (1.0, 1.0)
    assert found.eer == (0.0, 0.0)


def call(**changed):
    scores, same, ends = simulated(6, torch.Generator().manual_seed(0))
    given = {"scores": scores, "same": same, "subjects": ends, "far": (0.1,), "resamples": 5} | changed
    return verification_intervals(**given)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"confidence": 95}, r"confidence is 95, expected a share between 0 and 1"),
        ({"resamples": 0}, r"resamples is 0, expected at least 1"),
        ({"subjects": torch.zeros(39, 2)}, r"subjects has dtype torch.float32, expected integers"),
        ({"subjects": torch.zeros(39, dtype=torch.int64)}, r"subjects has shape \(39,\), expected \(39, 2\)"),
        ({"subjects": torch.zeros(39, 2, dtype=torch.int64)}, r"subjects\[0\] is \[0, 0\], but same\[0\] is False"),
    ],
)
def test_errors_say_what_is_wrong(changed, text):
    with pytest.raises(ValueError, match=text):
        call(**changed)
