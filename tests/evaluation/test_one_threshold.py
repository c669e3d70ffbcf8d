"""A reported threshold decides as reported, wherever the scores come from."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import (
    choose_decision,
    decision_of_all_pairs,
    evaluate,
    identification,
    pair_scores,
    top_k,
    verification,
    verification_of_all_pairs,
)
from tests.narrowing import not_none

FAR = (0.01, 0.05, 0.2, 1.0)


def people(seed, rows, subjects, dims, coarse, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(subjects, (rows,), generator=generator)
    centers = torch.randn(subjects, dims, generator=generator, dtype=torch.float64)
    x = centers[labels] + 0.8 * torch.randn(rows, dims, generator=generator, dtype=torch.float64)
    return ((2 * x).round() if coarse else x).to(dtype), labels


def all_pairs(labels):
    pairs = torch.triu_indices(len(labels), len(labels), 1).T
    return pairs, labels[pairs[:, 0]] == labels[pairs[:, 1]]


def share(accepted):
    return accepted.double().mean().item()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(12, 60),
    dims=st.integers(1, 9),
    coarse=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    similarity=st.sampled_from(["cosine", "euclidean"]),
    tile=st.sampled_from([3, 16, 1024]),
)
def test_counting_scores_at_the_threshold_gives_the_reported_rates(seed, rows, dims, coarse, dtype, similarity, tile):
    x, labels = people(seed, rows, 4, dims, coarse, dtype)
    pairs, same = all_pairs(labels)
    found = verification_of_all_pairs(x, labels, FAR, similarity, min_pairs=1, tile=tile)
    scores = pair_scores(x, pairs, similarity)
    if found.eer is None:
        return
    assert torch.equal(scores, pair_scores(x.double(), pairs.flip(1), similarity))
    for at in found.tar:
        if at.tar is not None:
            threshold = not_none(at.threshold)
            assert (share(scores[~same] >= threshold), share(scores[same] >= threshold)) == (at.reached, at.tar)
    threshold = not_none(found.eer_threshold)
    far, frr = share(scores[~same] >= threshold), share(scores[same] < threshold)
    assert min(far, frr) - 1e-12 <= found.eer <= max(far, frr) + 1e-12
    threshold = not_none(found.min_dcf_threshold)
    cost = 0.01 * share(scores[same] < threshold) + 0.99 * share(scores[~same] >= threshold)
    assert cost / 0.01 == pytest.approx(found.min_dcf)


@pytest.mark.parametrize("seed", range(8))
def test_float32_copies_of_float64_embeddings_are_decided_alike(seed):
    x, labels = people(seed, 80, 8, 16, coarse=False)
    pairs, same = all_pairs(labels)
    for at in verification_of_all_pairs(x, labels, FAR).tar:
        scores, threshold = pair_scores(x.float(), pairs), not_none(at.threshold)
        assert (share(scores[~same] >= threshold), share(scores[same] >= threshold)) == (at.reached, at.tar)


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=30, unique=True), st.data())
@pytest.mark.filterwarnings("ignore:the AUC is")
def test_float32_scores_are_decided_alike_in_float32_and_float64(values, data):
    same = data.draw(st.permutations([True, False, *(place % 2 == 0 for place in range(len(values) - 2))]))
    scores, same = torch.tensor(values, dtype=torch.float32), torch.tensor(same)
    for at in verification(scores, same, (0.1, 0.5, 1.0), min_pairs=1).tar:
        if at.tar is not None:
            threshold = not_none(at.threshold)
            for wide in (scores, scores.double()):
                assert share(wide[~same] >= threshold) == at.reached
                assert share(wide[same] >= threshold) == at.tar


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_one_unit_and_one_score_in_all_tasks(similarity):
    x, labels = people(3, 60, 6, 8, coarse=False)
    pairs, same = all_pairs(labels)
    scores, nearest = top_k(x[:20], x[20:], 40, similarity=similarity)
    rows = torch.stack([torch.arange(20)[:, None].expand(-1, 40), 20 + nearest], 2).reshape(-1, 2)
    assert torch.equal(scores.flatten(), pair_scores(x, rows, similarity))
    strangers = torch.full((20,), 99)
    found = identification(x[20:], labels[20:], x[:20], torch.where(labels[:20] > 2, labels[:20], strangers),
                           far=(0.3,), similarity=similarity, resamples=0).open_set[0]  # fmt: skip
    best, own = scores[labels[:20] <= 2, 0], labels[:20] > 2
    threshold = not_none(found.threshold)
    assert share(best >= threshold) == found.reached
    first = own & (labels[20:][nearest[:, 0]] == labels[:20])
    assert share((first & (scores[:, 0] >= threshold))[own]) == found.dir
    decision = choose_decision(x, pairs, same, 0.05, similarity=similarity)
    at = verification_of_all_pairs(x, labels, (0.05,), similarity).tar[0]
    everything = decision_of_all_pairs(x, labels, 0.05, similarity=similarity)
    assert decision == everything
    assert (decision.threshold, decision.measured_far, decision.measured_tar) == (at.threshold, at.reached, at.tar)


def test_distances_are_in_the_unit_of_the_embeddings():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [30.0, 40.0], [30.0, 43.0]])
    assert pair_scores(x, [[0, 1], [2, 3]], "euclidean").tolist() == [-5, -3]
    found = evaluate(x, [0, 0, 1, 1], (1.0,), "euclidean", min_pairs=1, resamples=0)
    assert -45 < not_none(found.verification.eer_threshold) < -5


def test_the_ends_accept_none_and_all():
    found = verification(torch.tensor([0.5, 0.5, 0.1]), torch.tensor([True, False, False]), (0.5, 1.0), min_pairs=1)
    assert found.tar[0].threshold == pytest.approx(0.3)
    assert found.tar[1].threshold == -math.inf
