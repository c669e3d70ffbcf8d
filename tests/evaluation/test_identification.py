"""Closed-set and open-set identification, compared with counts probe by probe."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cones.evaluation import Identification, gallery_probe_split, identification
from tests.evaluation import samples
from tests.evaluation.peak import WidestTensor
from tests.evaluation.search import scores, unit
from tests.narrowing import not_none


def by_hand(gallery, gallery_labels, probes, probe_labels, ranks, far, subjects, similarity):
    """CMC, and (dir, reached) for each rate, None where it cannot be measured."""
    x, y = probes.double().numpy(), gallery.double().numpy()
    names = sorted(set(gallery_labels.tolist()))
    rows = {name: [j for j, other in enumerate(gallery_labels.tolist()) if other == name] for name in names}
    if subjects == "template":
        y = unit(np.array([sum(np.round(unit(y[[j]])[0] * 2**26) / 2**26 for j in rows[name]) for name in names]))
        rows = {name: [place] for place, name in enumerate(names)}
    table = scores(x, y, similarity)
    best = [{name: max(row[j] for j in rows[name]) for name in names} for row in table]
    labels = probe_labels.tolist()
    mated = [i for i, label in enumerate(labels) if label in names]
    strangers = [i for i, label in enumerate(labels) if label not in names]
    rank = {
        i: 1 + sum(best[i][name] >= best[i][labels[i]] for name in names if name != labels[i]) for i in mated
    }  # ties against the mate
    cmc = (
        [sum(rank[i] <= r for i in mated) / len(mated) for r in range(1, min(ranks, len(names)) + 1)] if mated else None
    )
    opened: list[tuple[float, float] | None] = []
    for rate in far:
        allowed = Fraction(str(rate)) * len(strangers)
        if not mated or allowed < 1:
            opened.append(None)
            continue
        # every score there is could be the threshold; the smallest that keeps the rate, or none at all
        peaks = [max(best[i].values()) for i in strangers]
        own = [best[i][labels[i]] for i in mated]
        able = [t for t in sorted({*peaks, *own}) if sum(peak >= t for peak in peaks) <= allowed]
        threshold = able[0] if able else math.inf
        hits = sum(rank[i] == 1 and best[i][labels[i]] >= threshold for i in mated)
        opened.append((hits / len(mated), sum(peak >= threshold for peak in peaks) / len(strangers)))
    return cmc, opened


@settings(max_examples=150)
@given(
    seed=samples.seeds,
    rows=st.integers(1, 25),
    probes=st.integers(0, 25),
    classes=st.integers(1, 9),
    dims=st.integers(1, 4),
    kind=samples.kinds,
    similarity=samples.metrics,
    subjects=st.sampled_from(["set", "template"]),
    ranks=st.integers(1, 6),
    block=samples.blocks,
)
def test_equals_counts_by_hand(seed, rows, probes, classes, dims, kind, similarity, subjects, ranks, block):
    assume(subjects == "set" or similarity == "cosine")
    gallery, asked = samples.embeddings(seed, rows, dims, kind), samples.embeddings(seed + 1, probes, dims, kind)
    known, unknown = samples.labels(seed, rows, classes), samples.labels(seed + 1, probes, classes + 3)
    far = (0.05, 0.1, 0.29, 0.5, 1.0)
    found = identification(
        gallery, known, asked, unknown,
        ranks=ranks, far=far, subjects=subjects, similarity=similarity, resamples=0, block=block,
    )  # fmt: skip
    cmc, opened = by_hand(gallery, known, asked, unknown, ranks, far, subjects, similarity)
    assert found.cmc == (cmc if cmc is None else tuple(cmc))
    for got, expected in zip(found.open_set, opened, strict=True):
        if expected is None:
            assert got.dir is got.threshold is got.reached is None
            assert got.reason
        else:
            assert (got.dir, got.reached) == expected
            assert got.reason is None
    assert found.mated + found.non_mated == probes
    assert str(found)


# one gallery sample a subject on the axes; cosines with them are the coordinates
GALLERY, NAMES = torch.eye(4)[:3], torch.tensor([10, 20, 30])


def probe(*cosines: float) -> list[float]:
    return [*cosines, math.sqrt(1 - sum(c * c for c in cosines))]


def golden() -> Identification:
    asked = torch.tensor(
        [
            probe(0.9, 0.1, 0.0),  # 10: first, 0.9
            probe(0.5, 0.6, 0.1),  # 10: second
            probe(0.1, 0.7, 0.2),  # 20: first, 0.7
            probe(0.2, 0.4, 0.3),  # 30: second
            probe(0.8, 0.1, 0.1),  # nobody: 0.8
            probe(0.1, 0.65, 0.1),  # nobody: 0.65
            probe(0.3, 0.1, 0.1),  # nobody: 0.3
            probe(0.1, 0.1, 0.2),  # nobody: 0.2
        ],
        dtype=torch.float64,
    )
    labels = torch.tensor([10, 10, 20, 30, 1, 1, 2, 3])
    return identification(GALLERY, NAMES, asked, labels, far=(0.1, 0.25, 0.5, 1.0), ranks=5, resamples=200)


def test_a_worked_example():
    found = golden()
    assert found.cmc == (0.5, 1.0, 1.0)
    assert (found.subjects, found.mated, found.non_mated) == (3, 4, 4)
    refused, one, two, all_ = found.open_set
    assert refused.reason == "FAR 0.1 is below 1/4, one alarm of the probes without a mate"
    assert (one.dir, one.reached) == (0.5, 0.25)  # the threshold is above 0.65: 0.9 and 0.7 pass
    assert one.threshold == pytest.approx(0.675, abs=1e-7)
    assert (two.dir, two.reached) == (0.5, 0.5)
    assert two.threshold == pytest.approx(0.475, abs=1e-7)
    assert (all_.dir, all_.reached, all_.threshold) == (0.5, 1.0, -math.inf)


def test_a_table_to_read():
    text = str(golden())
    assert text.splitlines()[0] == "3 subjects in the gallery, 4 probes with a mate, 4 without"
    assert "rank  identified  95 % interval\n1     50.00 %" in text
    assert "0.1   n/a: FAR 0.1 is below 1/4, one alarm of the probes without a mate" in text
    assert "0.25  50.00 %" in text


def test_a_tie_with_another_subject_is_a_miss():
    asked, labels = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]), torch.tensor([10, 20])
    found = identification(GALLERY, NAMES, asked, labels, resamples=0)
    assert found.cmc == (0.0, 0.5, 1.0)  # second of two, third of three


def test_tied_alarms_all_count():
    """Two strangers at the same score: half of them cannot be let in."""
    asked = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    at = identification(GALLERY, NAMES, asked, torch.tensor([1, 2, 10]), far=(0.5,), resamples=0).open_set[0]
    assert (at.dir, at.reached) == (0.0, 0.0)
    assert at.threshold == math.nextafter(1.0, 2.0)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_threshold_above_the_best_score_there_can_be(similarity):
    same = torch.ones(3, 2)
    at = identification(
        same[:1], torch.tensor([1]), same, torch.tensor([1, 2, 3]), far=(0.5,), similarity=similarity, resamples=0
    ).open_set[0]
    assert at.dir == 0.0
    assert not_none(at.threshold) > (1.0 if similarity == "cosine" else 0.0)


def test_set_takes_the_best_sample_and_template_the_mean():
    gallery = torch.tensor([[1.0, 0.0], [-1.0, 0.1], [0.6, 0.8]])
    labels, asked = torch.tensor([1, 1, 2]), torch.tensor([[2.0, 0.1]])
    assert not_none(identification(gallery, labels, asked, labels[:1], resamples=0).cmc)[0] == 1.0
    # the two samples of subject 1 nearly cancel: their mean points up
    averaged = identification(gallery, labels, asked, labels[:1], subjects="template", resamples=0)
    assert not_none(averaged.cmc)[0] == 0.0


def test_only_mated_or_only_non_mated_probes():
    closed = identification(GALLERY, NAMES, GALLERY, NAMES, resamples=10)
    assert closed.cmc == (1.0, 1.0, 1.0)
    assert all(not_none(at.reason).startswith("every probe has a mate") for at in closed.open_set)
    strangers = identification(GALLERY, NAMES, GALLERY, NAMES + 1, resamples=10)
    assert strangers.cmc is None
    assert strangers.rank_1_interval is None
    assert all(at.reason == "no probe has a mate in the gallery" for at in strangers.open_set)
    assert "n/a: no probe has a mate" in str(strangers)


def test_no_block_changes_a_bit():
    torch.manual_seed(0)
    x, y = torch.randn(400, 16), torch.arange(400) % 40
    split = gallery_probe_split(y, samples=3, seed=4)
    arguments = (x[split.gallery], y[split.gallery], x[split.probes], y[split.probes])
    for subjects in ("set", "template"):
        whole = identification(*arguments, subjects=subjects, resamples=20)
        assert all(identification(*arguments, subjects=subjects, resamples=20, block=b) == whole for b in (1, 99, 5000))


def test_order_of_rows_does_not_matter():
    torch.manual_seed(0)
    x, y = torch.randint(-1, 2, (60, 3)).float(), torch.arange(60) % 12
    split = gallery_probe_split(y, samples=2)
    g, p = split.gallery, split.probes
    whole = identification(x[g], y[g], x[p], y[p], far=(0.1, 0.5))
    g, p = g[torch.randperm(len(g))], p[torch.randperm(len(p))]
    again = identification(x[g], y[g], x[p], y[p], far=(0.1, 0.5))
    assert again.cmc == whole.cmc
    assert [(at.dir, at.threshold) for at in again.open_set] == [(at.dir, at.threshold) for at in whole.open_set]


def test_labels_of_two_kinds_of_integers():
    assert identification(GALLERY, NAMES.int(), GALLERY, NAMES.to(torch.uint8), resamples=0).cmc == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("subjects", ["set", "template"])
def test_memory_follows_the_block(subjects):
    x, y = torch.randn(6000, 4), torch.arange(6000) % 1000
    with WidestTensor() as widest:
        identification(x[:3000], y[:3000], x[3000:4000], y[3000:4000], resamples=0, subjects=subjects, block=20_000)
    assert widest.numbers <= 20_000  # of 3,000,000 scores


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gallery": torch.ones(0, 2), "gallery_labels": torch.ones(0).long()}, r"gallery has no rows"),
        ({"gallery": torch.ones(3)}, r"gallery has shape \(3,\), expected \(N, D\)"),
        ({"gallery_labels": torch.ones(2).long()}, r"gallery_labels has shape \(2,\), expected \(3,\)"),
        ({"probe_labels": torch.ones(4)}, r"probe_labels has dtype torch.float32, expected integers"),
        ({"probes": torch.ones(4, 3)}, r"probes has 3 dims, expected 2"),
        ({"probes": torch.ones(4, 2, device="meta")}, r"probes is on meta, expected cpu"),
        ({"probes": torch.full((4, 2), torch.inf)}, r"probes\[0\] is not finite"),
        ({"ranks": 0}, r"ranks is 0, expected 1 or more"),
        ({"far": (0.1, 0.0)}, r"far has 0.0, expected rates in \(0, 1\]"),
        ({"subjects": "mean"}, r"subjects is 'mean', expected one of \('set', 'template'\)"),
        ({"subjects": "template", "similarity": "euclidean"}, r"subjects='template' is a mean of unit vectors"),
        ({"similarity": "l2"}, r"similarity is 'l2'"),
        ({"resamples": -1}, r"resamples is -1, expected 0"),
        ({"confidence": 1.0}, r"confidence is 1.0, expected a share between 0 and 1"),
    ],
)
def test_errors_name_the_argument(change, message):
    arguments = {
        "gallery": torch.ones(3, 2), "gallery_labels": torch.arange(3),
        "probes": torch.ones(4, 2), "probe_labels": torch.arange(4),
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        identification(**arguments)
