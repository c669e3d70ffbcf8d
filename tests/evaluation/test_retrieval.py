"""Retrieval figures, compared with rankings query by query."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cones.evaluation import rank_1, retrieval
from tests.evaluation import samples
from tests.evaluation.peak import WidestTensor
from tests.evaluation.search import scores


def by_hand(x, labels, ks, similarity):
    table = scores(x.double().numpy(), x.double().numpy(), similarity)
    recall, precision, average = [], [], []
    for i, label in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        relevant = sum(labels[j] == label for j in others)
        if relevant == 0:
            continue
        # of equal scores the wrong ones first
        nearest = sorted(others, key=lambda j: (-table[i][j], labels[j] == label))
        hits = [labels[j] == label for j in nearest]
        recall.append([any(hits[:k]) for k in ks])
        precision.append(sum(hits[:relevant]) / relevant)
        average.append(sum(hits[r] * sum(hits[: r + 1]) / (r + 1) for r in range(relevant)) / relevant)
    return len(recall), np.mean(recall, axis=0), np.mean(precision), np.mean(average)


@settings(max_examples=150)
@given(
    seed=samples.seeds,
    rows=st.integers(2, 30),
    classes=st.integers(1, 9),
    dims=st.integers(1, 4),
    kind=samples.kinds,
    similarity=samples.metrics,
    ks=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    block=samples.blocks,
)
def test_equals_orders_by_hand(seed, rows, classes, dims, kind, similarity, ks, block):
    x, y = samples.embeddings(seed, rows, dims, kind), samples.labels(seed, rows, classes)
    assume(len(set(y.tolist())) < rows)
    found = retrieval(x, y, recall_at=tuple(ks), similarity=similarity, restarts=0, resamples=0, block=block)
    queries, recall, precision, average = by_hand(x, y.tolist(), ks, similarity)
    assert (found.queries, found.excluded) == (queries, rows - queries)
    assert found.recall == tuple(recall)
    assert found.r_precision == pytest.approx(precision, rel=1e-12)
    assert found.map_at_r == pytest.approx(average, rel=1e-12)
    assert found.nmi is found.ami is None
    assert found.recall_interval is found.map_at_r_interval is None


def test_a_worked_example():
    """Rows on a line. Nearest first, the queries of class 1 see 2 1 1, 1 2 and 1 2; those of 2 see 1 1 1 2, 1 1 2."""
    places = torch.tensor([[0.0], [1.0], [3.0], [3.5], [10.0], [20.0]])
    labels = torch.tensor([1, 2, 1, 1, 2, 3])
    found = retrieval(places, labels, similarity="euclidean", recall_at=(1, 2, 3, 4))
    assert (found.queries, found.excluded, found.classes) == (5, 1, 3)
    assert found.recall == (2 / 5, 3 / 5, 4 / 5, 1.0)
    assert found.r_precision == pytest.approx((1 / 2 + 1 / 2 + 1 / 2 + 0 + 0) / 5)
    assert found.map_at_r == pytest.approx((1 / 4 + 1 / 2 + 1 / 2 + 0 + 0) / 5)


def test_one_class_is_always_found_and_equal_rows_never():
    x = torch.randn(6, 3)
    found = retrieval(x, torch.zeros(6).long())
    assert found.recall == (1.0, 1.0, 1.0, 1.0)
    assert found.map_at_r == found.r_precision == found.nmi == found.ami == 1
    assert found.recall_interval is None
    collapsed = retrieval(torch.ones(6, 3), torch.arange(6) // 2, recall_at=(1, 4, 5))
    assert collapsed.recall == (0.0, 0.0, 1.0)  # all tie: the one mate is last of five
    assert collapsed.map_at_r == collapsed.r_precision == 0


def test_tight_classes_are_perfect():
    torch.manual_seed(0)
    y = torch.arange(40) % 4
    found = retrieval(torch.eye(4)[y] + 0.01 * torch.randn(40, 4), y)
    assert found.recall == (1.0, 1.0, 1.0, 1.0)
    assert found.map_at_r == found.r_precision == 1
    assert found.nmi == found.ami == pytest.approx(1)
    assert found.map_at_r_interval == (1, 1)


def test_figures_that_few_rows_cannot_carry_are_refused():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    figures = {figure.name: figure for figure in retrieval(x, torch.tensor([0, 0, 1, 1]), resamples=0).as_figures()}
    assert figures["R@2"].value == 1
    assert (figures["R@4"].value, figures["R@4"].note) == (None, "each query has 3 others, all of them among 4")
    assert (figures["AMI"].value, figures["AMI"].note) == (None, "4 rows, fewer than 10 to cluster")


def test_a_table_to_read():
    torch.manual_seed(0)
    y = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
    text = str(retrieval(torch.eye(3)[y] + 0.01 * torch.randn(10, 3), y, recall_at=(1, 5)))
    assert text.splitlines()[0] == "9 queries of 3 classes, 1 rows alone in their class left out"
    assert "R@1          100.00 %  100.00 – 100.00 %\nR@5          100.00 %\n" in text
    assert text.splitlines()[-1].startswith("AMI          1")


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_no_block_changes_a_bit(similarity):
    torch.manual_seed(0)
    x, y = torch.randn(70, 16), torch.arange(70) % 9
    whole = retrieval(x, y, similarity=similarity, restarts=0, resamples=20)
    for block in (1, 99, 1500):
        assert retrieval(x, y, similarity=similarity, restarts=0, resamples=20, block=block) == whole


def test_memory_follows_the_block():
    x, y = torch.randn(2000, 4), torch.arange(2000) % 500
    with WidestTensor() as widest:
        retrieval(x, y, restarts=0, resamples=0, block=20_000)
    assert widest.numbers <= 20_000  # of 4,000,000 scores


def test_order_of_rows_and_names_of_classes_do_not_matter():
    torch.manual_seed(0)
    x, y = torch.randint(-1, 2, (60, 3)).float(), torch.arange(60) % 7
    whole = retrieval(x, y, restarts=0, resamples=0)
    order = torch.randperm(60)
    again = retrieval(x[order], 100 - y[order], restarts=0, resamples=0)
    assert again.recall == whole.recall
    assert (again.map_at_r, again.r_precision) == pytest.approx((whole.map_at_r, whole.r_precision), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.ones(3)}, r"features has shape \(3,\), expected \(N, D\)"),
        ({"features": torch.full((4, 2), torch.nan)}, r"features\[0\] is not finite"),
        ({"labels": torch.ones(3).long()}, r"labels has shape \(3,\), expected \(4,\)"),
        ({"labels": torch.ones(4)}, r"labels has dtype torch.float32"),
        ({"labels": torch.arange(4)}, r"labels has no class with two rows among its 4"),
        ({"features": torch.ones(0, 2), "labels": torch.ones(0).long()}, r"labels has no class with two rows"),
        ({"recall_at": ()}, r"recall_at is \(\), expected one or more k"),
        ({"recall_at": (1, 0)}, r"recall_at is \(1, 0\)"),
        ({"restarts": -1}, r"restarts is -1, expected 0"),
        ({"resamples": -1}, r"resamples is -1, expected 0"),
        ({"similarity": "l2"}, r"similarity is 'l2'"),
    ],
)
def test_errors_name_the_argument(change, message):
    arguments = {"features": torch.ones(4, 2), "labels": torch.tensor([0, 0, 1, 1])} | change
    with pytest.raises(ValueError, match=message):
        retrieval(**arguments)


@settings(max_examples=25)
@given(
    seed=samples.seeds, rows=st.integers(2, 30), kind=samples.kinds, similarity=samples.metrics, block=samples.blocks
)
def test_rank_1_is_the_recall_at_1(seed, rows, kind, similarity, block):
    x, y = samples.embeddings(seed, rows, 2, kind), samples.labels(seed, rows, 4)
    assume(len(set(y.tolist())) < rows)
    expected = by_hand(x, y.tolist(), [1], similarity)[1]
    assert rank_1(x, y, similarity=similarity, block=block) == expected


def test_rank_1_leaves_unknown_subjects_in_the_gallery_and_needs_a_mate():
    x = torch.tensor([[0.0], [1.0], [1.5], [4.0], [4.1]])
    assert rank_1(x, torch.tensor([0, 0, -1, 1, 1]), similarity="euclidean") == 0.75
    with pytest.raises(ValueError, match="labels has no class with two rows among its 5: rank 1 needs a mate to find"):
        rank_1(x, torch.arange(5))
