"""Figures of listed pairs and of all pairs, against scores written out one by one."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import blocks as _blocks
from cones.evaluation import pair_scores, verification, verification_of_all_pairs
from cones.evaluation.verification import _all_pairs, _bins, _histogram, _tiles

FAR = (1e-3, 1e-2, 0.1, 0.3)


def all_scores(x, labels, similarity):
    """Scores and kinds of all pairs, in NumPy float64."""
    x = np.asarray(x, dtype=np.float64)
    i, j = np.triu_indices(len(x), k=1)
    if similarity == "cosine":
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        x = np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
        scores = (x @ x.T)[i, j]
    else:
        scores = -np.sqrt(np.square(x[i] - x[j]).sum(1))
    return torch.from_numpy(scores), torch.from_numpy(np.asarray(labels)[i] == np.asarray(labels)[j])


def same_figures(found, expected):
    """All equal, the AUC within its bound."""
    if expected.auc is not None:
        assert abs(found.auc - expected.auc) <= found.auc_error + 1e-12
    assert replace(found, auc=None, auc_error=0.0) == replace(expected, auc=None)


def gaussian_classes(rows, dim, classes, spread, seed=0):
    torch.manual_seed(seed)
    labels = torch.randint(classes, (rows,))
    centers = torch.nn.functional.normalize(torch.randn(classes, dim), dim=1)
    return centers[labels] + spread / dim**0.5 * torch.randn(rows, dim), labels


@st.composite
def signs(draw):
    """Rows of 16 numbers +1 or -1 (or all 0): unit rows, cosines and distances are exact, with many ties."""
    count = draw(st.integers(0, 24))
    rows = draw(st.lists(st.integers(0, 2**16 - 1), min_size=count, max_size=count))
    x = [[1.0 if row >> bit & 1 else -1.0 for bit in range(16)] if row else [0.0] * 16 for row in rows]
    labels = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    return torch.tensor(x).reshape(count, 16), torch.tensor(labels, dtype=torch.int64)


@pytest.mark.filterwarnings("ignore:the AUC is")
@given(signs(), st.sampled_from(["cosine", "euclidean"]), st.sampled_from([2, 7, 64]), st.sampled_from([0.01, 0.5]))
def test_all_pairs_are_the_listed_pairs(drawn, similarity, tile, p):
    x, labels = drawn
    scores, same = all_scores(x, labels, similarity)
    found = verification_of_all_pairs(x, labels, FAR, similarity, p_target=p, min_pairs=1, tile=tile)
    same_figures(found, verification(scores, same, FAR, p_target=p, min_pairs=1))


@pytest.mark.parametrize("guess", ["right", "wrong"])
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
@pytest.mark.parametrize("classes", [2, 60])
def test_all_pairs_in_one_pass_and_in_two(monkeypatch, guess, similarity, classes):
    # signs in 64 dims: exact, and many pairs on few distinct scores
    torch.manual_seed(1)
    labels = torch.randint(classes, (300,))
    x = torch.randn(classes, 64)[labels].add(0.7 * torch.randn(300, 64)).sign()
    if guess == "wrong":
        nothing = torch.zeros(_bins.BINS, dtype=torch.bool)
        monkeypatch.setattr(_all_pairs, "likely", lambda *_: nothing)
    monkeypatch.setattr(_histogram, "PILE", 100)
    expected = verification(*all_scores(x, labels, similarity), FAR)
    same_figures(verification_of_all_pairs(x, labels, FAR, similarity, tile=16), expected)


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_real_numbers_to_float32_rounding(spread, dtype):
    x, labels = gaussian_classes(1500, 32, 150, spread)
    x = x.to(dtype)
    found = verification_of_all_pairs(x, labels, FAR, tile=128)
    expected = verification(*all_scores(x.double(), labels, "cosine"), FAR)
    step_far, step_tar = 1.5 / found.impostors, 2.5 / found.genuine
    assert (found.genuine, found.impostors) == (expected.genuine, expected.impostors)
    for a, b in zip(found.tar, expected.tar, strict=True):
        assert a.threshold == pytest.approx(b.threshold, abs=1e-6)
        assert a.reached == pytest.approx(b.reached, abs=step_far)
        assert a.tar == pytest.approx(b.tar, abs=step_tar)
    assert found.eer == pytest.approx(expected.eer, abs=step_tar)
    assert found.eer_threshold == pytest.approx(expected.eer_threshold, abs=1e-3)
    assert found.min_dcf == pytest.approx(expected.min_dcf, abs=step_tar)
    assert abs(found.auc - expected.auc) <= found.auc_error + 1e-6
    assert found.auc_error < 1e-3


def test_the_count_above_a_threshold_is_exact_on_5000_rows():
    # the figures of the tiles' own scores, kept and sorted: 12.5 million pairs
    x, labels = gaussian_classes(5000, 16, 500, 0.8)
    found = verification_of_all_pairs(x, labels, (1e-6, 1e-4, 1e-2), tile=512)
    tiles = _all_pairs.tiles_of(x, labels, "cosine", 512)
    mixed, pure = tiles.mixed_and_pure()
    kinds = {0: [], 1: [], 2: []}
    for tile in mixed + pure:
        scores, codes = tiles.coded(tile)
        for kind, values in kinds.items():
            values.append(scores[codes // _bins.BINS == kind])
    impostors, genuine = (np.sort(torch.cat(kinds[kind]).numpy()) for kind in (0, 1))
    assert (found.impostors, found.genuine) == (len(impostors), len(genuine))
    for point in found.tar:
        above = len(impostors) - np.searchsorted(impostors, point.threshold, side="left")
        assert point.reached == above / len(impostors) <= point.far
        accepted = len(genuine) - np.searchsorted(genuine, point.threshold, side="left")
        assert point.tar == accepted / len(genuine)
        next_lower = max(
            impostors[np.searchsorted(impostors, point.threshold) - 1],
            genuine[np.searchsorted(genuine, point.threshold) - 1],
        )
        assert (impostors >= next_lower).sum() / len(impostors) > point.far


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_a_tile_off_the_diagonal_is_multiplied_once(monkeypatch, similarity):
    x, labels = gaussian_classes(2500, 32, 250, 0.8)
    multiplied = Counter()
    scores = _tiles.Tiles.scores

    def watched(tiles, tile):
        multiplied[tile] += 1
        return scores(tiles, tile)

    monkeypatch.setattr(_tiles.Tiles, "scores", watched)
    verification_of_all_pairs(x, labels, (1e-5, 1e-3, 1e-2), similarity, tile=100)
    assert len(multiplied) == 25 * 26 / 2
    assert sum(multiplied.values()) <= len(multiplied) + 2 * 25  # the diagonal, and beside it, twice


def test_other_bits_the_second_time_are_an_error(monkeypatch):
    x, labels = gaussian_classes(100, 8, 10, 0.8)
    scores = _tiles.Tiles.scores
    monkeypatch.setattr(_tiles.Tiles, "scores", lambda *given: scores(*given) * (1 - 0.1 * torch.rand(())))
    with pytest.raises(RuntimeError, match=r"pairs were counted .* and \d+ kept: .*other bits the second time"):
        verification_of_all_pairs(x, labels, FAR)


def test_rows_that_are_all_the_same():
    found = verification_of_all_pairs(torch.ones(12, 3), torch.arange(12) % 3, (0.5, 1.0), "euclidean", tile=5)
    assert (found.eer, found.auc, found.min_dcf) == (0.5, 0.5, 1.0)
    assert (found.tar[0].tar, found.tar[1].tar, found.tar[1].threshold) == (0.0, 1.0, -math.inf)


@pytest.mark.parametrize("labels", [[], [3], [1] * 8, list(range(8))])
def test_one_kind_of_pairs_or_none_is_refused(labels):
    found = verification_of_all_pairs(torch.randn(len(labels), 4), torch.tensor(labels, dtype=torch.int64), tile=3)
    assert found.eer is found.auc is found.min_dcf is None
    assert found.genuine + found.impostors == len(labels) * (len(labels) - 1) // 2
    assert "too few" in found.refused["eer"]


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_listed_pairs_are_each_pairs_own_score(monkeypatch, similarity):
    monkeypatch.setattr(_blocks, "BLOCK", 20)
    x = torch.randn(9, 5, dtype=torch.float64)
    x[3] = 0
    pairs = torch.randint(9, (23, 2))
    found = pair_scores(x, pairs, similarity)
    assert found.dtype == torch.float64
    for score, (a, b) in zip(found.tolist(), pairs.tolist(), strict=True):
        u, v = x[a].numpy(), x[b].numpy()
        long = np.linalg.norm(u) * np.linalg.norm(v)
        cosine = u @ v / long if long else 0.0
        expected = cosine if similarity == "cosine" else -np.linalg.norm(u - v)
        assert score == pytest.approx(expected, abs=1e-6)


@settings(max_examples=300)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_bins_keep_the_order_of_numbers(numbers):
    values = torch.tensor(numbers, dtype=torch.float32).sort().values.add_(0.0)
    order = _bins.turned(torch.arange(_bins.BINS))  # by bits: the bin in the order of the numbers
    bins = order[_bins.by_bits(values).long()]
    assert bool((bins.diff() >= 0).all())
    low = _bins.lowest(bins)
    assert bool((low <= values.double()).all())
    back = order[_bins.by_bits(low.float()).long()]
    assert torch.equal(back, bins)


X, Y = torch.randn(4, 3), torch.tensor([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: verification_of_all_pairs(X[0], Y), r"embeddings has shape \(3,\).*expected \(N, D\) floats"),
        (lambda: verification_of_all_pairs(X * math.inf, Y), r"embeddings\[0\] is not finite"),
        (lambda: verification_of_all_pairs(X, Y[:2]), r"labels has shape \(2,\), expected \(4,\): one subject per row"),
        (lambda: verification_of_all_pairs(X, Y.float()), r"labels has dtype torch.float32, expected integers"),
        (lambda: verification_of_all_pairs(X, Y, similarity="dot"), r"similarity is 'dot', expected one of"),
        (lambda: verification_of_all_pairs(X, Y, tile=0), r"tile is 0, expected at least 1"),
        (lambda: verification_of_all_pairs(X * 1e30, Y, similarity="euclidean"), r"row of norm .*overflow: scale it"),
        (lambda: pair_scores(X, torch.tensor([[0, 1], [2, 4]])), r"pairs\[1\] is \[2, 4\], but features has 4 rows"),
        (lambda: pair_scores(X, torch.tensor([0, 1])), r"pairs has shape \(2,\), expected \(P, 2\)"),
    ],
)
def test_errors_say_what_is_wrong(call, text):
    with pytest.raises(ValueError, match=text):
        call()
