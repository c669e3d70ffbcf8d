"""Scores of pairs, several views, normalisation by a cohort: known answers and brute force in NumPy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cones.evaluation.blocks
from cones.evaluation import combine_embeddings, normalised_scores
from cones.evaluation.scores import pair_scores


def problem(seed, rows=9, pairs=23, cohort=11, dims=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, dims)), rng.integers(rows, size=(pairs, 2)), rng.normal(size=(cohort, dims))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def normalised(x, pairs, cohort, kind, top):
    """One pair at a time."""
    out = []
    for e, t in pairs:
        s = unit(x[e]) @ unit(x[t])
        sides = []
        for row in (e, t):
            strangers = np.sort(unit(cohort) @ unit(x[row]))[::-1][:top]
            sides.append((s - strangers.mean()) / strangers.std())
        out.append({"z": sides[0], "t": sides[1], "s": sum(sides) / 2}[kind])
    return out


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_pair_scores_by_their_formulas(seed):
    x, pairs, _ = problem(seed)
    a, b = x[pairs[:, 0]], x[pairs[:, 1]]
    cosine = (unit(a) * unit(b)).sum(1)
    assert pair_scores(torch.tensor(x), torch.tensor(pairs)).tolist() == pytest.approx(cosine.tolist(), abs=4e-8)
    distance = np.linalg.norm(a - b, axis=1)
    assert pair_scores(torch.tensor(x), torch.tensor(pairs), "euclidean").tolist() == pytest.approx(
        (-distance).tolist(), abs=1e-6
    )


def test_scores_at_the_edges():
    x = torch.tensor([[1.0, 0.0], [-3.0, 0.0], [0.0, 0.0]])
    pairs = torch.tensor([[0, 0], [0, 1], [0, 2], [2, 2]])
    assert pair_scores(x, pairs).tolist() == [1, -1, 0, 0]
    assert pair_scores(x, pairs, "euclidean").tolist() == [0, -4, -1, 0]
    assert pair_scores(x, pairs[:0]).shape == (0,)
    assert pair_scores(x.half(), pairs).dtype == torch.float64


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from("zts"), top=st.sampled_from([None, 2, 5, 11]))
def test_normalised_scores_by_their_formulas(seed, kind, top):
    x, pairs, cohort = problem(seed)
    got = normalised_scores(torch.tensor(x), torch.tensor(pairs), torch.tensor(cohort), kind, top)
    assert got.tolist() == pytest.approx(normalised(x, pairs, cohort, kind, top), rel=1e-5, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), top=st.sampled_from([None, 4]))
def test_normalised_scores_know_no_rotation_no_length_and_no_order(seed, top):
    x, pairs, cohort = problem(seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    before = normalised_scores(torch.tensor(x), torch.tensor(pairs), torch.tensor(cohort), "s", top)
    turned, others = torch.tensor(5 * x @ turn), torch.tensor(cohort[::-1].copy() @ turn)
    after = normalised_scores(turned, torch.tensor(pairs), others, "s", top)
    assert after.tolist() == pytest.approx(before.tolist(), rel=1e-5, abs=1e-5)
    swapped = normalised_scores(torch.tensor(x), torch.tensor(pairs[:, ::-1].copy()), torch.tensor(cohort), "s", top)
    assert swapped.tolist() == pytest.approx(before.tolist())  # it is symmetric in the pair


def test_normalised_score_by_hand():
    x = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    cohort = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    # s = 0.6; the first row scores 0 and 1: (0.6 - 0.5) / 0.5; the second 0.8 and 0.6: (0.6 - 0.7) / 0.1
    pair = torch.tensor([[0, 1]])
    assert normalised_scores(x, pair, cohort, "z").item() == pytest.approx(0.2)
    assert normalised_scores(x, pair, cohort, "t").item() == pytest.approx(-1, abs=1e-6)
    assert normalised_scores(x, pair, cohort, "s").item() == pytest.approx(-0.4, abs=1e-6)
    assert normalised_scores(x, pair[:0], cohort).shape == (0,)


def test_blocks_do_not_change_the_scores(monkeypatch):
    x, pairs, cohort = map(torch.tensor, problem(2))
    whole = [pair_scores(x, pairs), pair_scores(x, pairs, "euclidean"), normalised_scores(x, pairs, cohort, "s", 4)]
    for block in (1, 20, 33):
        monkeypatch.setattr(cones.evaluation.blocks, "BLOCK", block)
        part = [pair_scores(x, pairs), pair_scores(x, pairs, "euclidean"), normalised_scores(x, pairs, cohort, "s", 4)]
        for a, b in zip(part, whole, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_combined_embeddings():
    image, mirrored = torch.tensor([[4.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 3.0], [-1.0, 0.0]])
    half = math.sqrt(0.5)
    both = combine_embeddings([image, mirrored])
    assert both.tolist() == [pytest.approx([half, half]), [0, 0]]
    assert combine_embeddings([image, mirrored], unit=False)[0].tolist() == pytest.approx([0.8, 0.6])
    assert torch.equal(combine_embeddings(torch.stack([image, mirrored])), both)
    assert torch.equal(combine_embeddings([image.half()]), combine_embeddings([image]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, p, c: pair_scores(x, p, "dot"), r"similarity is 'dot', expected one of cosine, euclidean"),  # type: ignore[arg-type]
        (lambda x, p, c: pair_scores(x, p[0]), r"pairs has shape \(2,\), expected \(P, 2\)"),
        (lambda x, p, c: pair_scores(x, p.double()), r"pairs has dtype torch.float64, expected integers"),
        (lambda x, p, c: pair_scores(x[:2], p), r"pairs\[1\] is \[0, 2\], but features has 2 rows"),
        (lambda x, p, c: pair_scores(x - math.inf, p), r"features\[0\] is not finite"),
        (lambda x, p, c: normalised_scores(x, p, c, "as"), r"kind is 'as', expected one of z, t, s"),  # type: ignore[arg-type]
        (lambda x, p, c: normalised_scores(x, p, c[:1]), r"cohort has 1 row, expected at least 2"),
        (lambda x, p, c: normalised_scores(x, p, c[:, :1]), r"cohort has 1 dims and features 2"),
        (
            lambda x, p, c: normalised_scores(x, p, c, top=1),
            r"top is 1, expected at least 2 and at most the cohort's 4",
        ),
        (
            lambda x, p, c: normalised_scores(x, p, c, top=5),
            r"top is 5, expected at least 2 and at most the cohort's 4",
        ),
        (lambda x, p, c: normalised_scores(0 * x, p, c), r"features\[0\] has one and the same cosine with all of the"),
        (lambda x, p, c: combine_embeddings([]), r"views is empty, expected at least one \(N, D\)"),
        (lambda x, p, c: combine_embeddings([x, x[:1]]), r"views\[1\] has shape \(1, 2\), expected \(3, 2\)"),
    ],
)
def test_errors_name_the_argument(call, message):
    x = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    cohort = torch.tensor([[1.0, 2.0], [2.0, 1.0], [-1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match=message):
        call(x, torch.tensor([[0, 1], [0, 2]]), cohort)
