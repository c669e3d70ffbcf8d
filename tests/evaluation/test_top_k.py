"""The k nearest rows, compared with a full sort in NumPy."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import top_k
from tests.evaluation import samples
from tests.evaluation.peak import WidestTensor
from tests.evaluation.search import order, scores


@settings(max_examples=80)
@given(
    seed=samples.seeds,
    queries=st.integers(0, 9),
    rows=st.integers(1, 23),
    dims=st.integers(1, 5),
    kind=samples.kinds,
    similarity=samples.metrics,
    block=samples.blocks,
    data=st.data(),
)
def test_equals_a_full_sort(seed, queries, rows, dims, kind, similarity, block, data):
    x, y = samples.embeddings(seed, queries, dims, kind), samples.embeddings(seed + 1, rows, dims, kind)
    k = data.draw(st.integers(1, rows))
    found, index = top_k(x, y, k, similarity=similarity, block=block)
    expected = scores(x.double().numpy(), y.double().numpy(), similarity)
    assert found.shape == index.shape == (queries, k)
    for i in range(queries):
        assert index[i].tolist() == order(expected[i])[:k]
        assert found[i].tolist() == pytest.approx([expected[i][j] for j in index[i].tolist()], rel=1e-15, abs=0)


@settings(max_examples=40)
@given(
    seed=samples.seeds, rows=st.integers(2, 23), kind=samples.kinds, similarity=samples.metrics, block=samples.blocks,
    data=st.data(),
)  # fmt: skip
def test_without_itself(seed, rows, kind, similarity, block, data):
    x = samples.embeddings(seed, rows, 3, kind)
    k = data.draw(st.integers(1, rows - 1))
    _, index = top_k(x, x, k, similarity=similarity, exclude_self=True, block=block)
    expected = scores(x.double().numpy(), x.double().numpy(), similarity)
    for i in range(rows):
        assert index[i].tolist() == [j for j in order(expected[i]) if j != i][:k]


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_no_block_changes_a_bit(similarity):
    torch.manual_seed(0)
    x, y = torch.randn(20, 33), torch.randn(100, 33)
    y[50:] = y[:50]  # each row twice
    whole = top_k(x, y, 20, similarity=similarity)
    for block in (1, 50, 1000, 4567):
        scores, index = top_k(x, y, 20, similarity=similarity, block=block)
        assert torch.equal(scores, whole[0])
        assert torch.equal(index, whole[1])
    assert torch.equal(whole[1][:, 1::2], whole[1][:, ::2] + 50)


def test_close_to_the_true_cosine_and_distance():
    torch.manual_seed(0)
    x, y = torch.randn(20, 512, dtype=torch.float64), torch.randn(50, 512, dtype=torch.float64)
    cosine, index = top_k(x, y, 50)
    true = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(y).T
    assert (cosine - true.gather(1, index)).abs().max() < 4e-8
    distance, index = top_k(x, y, 50, similarity="euclidean")
    assert (distance + torch.cdist(x, y).gather(1, index)).abs().max() < 1e-5  # of norms around 22


def test_ties_and_zero_rows_by_hand():
    gallery = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
    values, index = top_k(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), gallery, 5)
    assert index.tolist() == [[1, 3, 0, 2, 4], [0, 1, 2, 3, 4]]
    assert values.tolist() == [[1, 1, 0, 0, -1], [0, 0, 0, 0, 0]]
    values, index = top_k(torch.tensor([[2.0, 0.0]]), gallery, 3, similarity="euclidean")
    assert index.tolist() == [[1, 3, 0]]
    assert values.tolist() == [[-1, -1, -2]]


def test_memory_follows_the_block():
    x, y = torch.randn(500, 4), torch.randn(3000, 4)
    with WidestTensor() as widest:
        top_k(x, y, 5, block=20_000)
    assert widest.numbers <= 20_000  # of 1,500,000 scores


def test_half_precision_and_gradients_are_left_alone():
    x = torch.randn(6, 3).half().requires_grad_()
    values, index = top_k(x, x, 2)
    again = top_k(x.detach().double(), x.detach().double(), 2)
    assert torch.equal(values, again[0])
    assert torch.equal(index, again[1])
    assert not values.requires_grad


class FlatIndex:
    """Stand-in for faiss's flat index, ties in the order of its heap: here the larger place first."""

    def __init__(self, score):
        self.score = score

    def add(self, rows):
        assert rows.dtype == np.float32
        self.rows = rows

    def search(self, queries, k):
        values = self.score(queries, self.rows)
        place = np.array([sorted(range(len(row)), key=lambda j: (row[j], -j))[:k] for row in values])
        return np.abs(np.take_along_axis(values, place, 1)), place


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_faiss_answers_in_the_same_form(monkeypatch, similarity, exclude_self):
    fake = SimpleNamespace(
        IndexFlatIP=lambda dims: FlatIndex(lambda x, y: -(x @ y.T)),
        IndexFlatL2=lambda dims: FlatIndex(lambda x, y: ((x[:, None] - y) ** 2).sum(2)),
    )
    monkeypatch.setitem(sys.modules, "faiss", fake)
    torch.manual_seed(0)
    x = torch.randn(12, 3).abs()
    values, index = top_k(x, x, 4, similarity=similarity, exclude_self=exclude_self, backend="faiss")
    expected = top_k(x, x, 4, similarity=similarity, exclude_self=exclude_self)
    assert torch.equal(index, expected[1])
    assert torch.allclose(values, expected[0], atol=1e-3)
    twins = torch.ones(3, 2)  # self is not the first among its equals
    _, index = top_k(twins, twins, 1, similarity=similarity, exclude_self=True, backend="faiss")
    assert all(int(index[i]) != i for i in range(3))


def test_faiss_must_be_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"backend is 'faiss', but faiss is not installed: pip install faiss-cpu"):
        top_k(torch.ones(2, 2), torch.ones(2, 2), 1, backend="faiss")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, r"k is 0, expected 1\.\.4: the gallery has 4 rows"),
        ({"k": 5}, r"k is 5, expected 1\.\.4"),
        ({"k": 4, "gallery": torch.ones(3, 2), "exclude_self": True}, r"exclude_self needs queries.*3 and 3|k is 4"),
        ({"queries": torch.ones(2, 2), "exclude_self": True}, r"exclude_self needs queries that are the gallery"),
        ({"gallery": torch.ones(4, 3)}, r"gallery has 3 dims, expected 2"),
        ({"gallery": torch.ones(4, 2, device="meta")}, r"gallery is on meta, expected cpu"),
        ({"queries": torch.ones(3)}, r"queries has shape \(3,\), expected \(N, D\)"),
        ({"queries": torch.ones(3, 2).long()}, r"queries has dtype torch.int64, expected a floating dtype"),
        ({"gallery": torch.full((4, 2), torch.nan)}, r"gallery\[0\] is not finite"),
        ({"similarity": "dot"}, r"similarity is 'dot', expected one of cosine, euclidean"),
        ({"backend": "annoy"}, r"backend is 'annoy', expected one of \('torch', 'faiss'\)"),
        ({"block": 0}, r"block is 0, expected"),
        ({"gallery": torch.ones(0, 2)}, r"k is 1, expected 1\.\.0"),
    ],
)
def test_errors_name_the_argument(change, message):
    arguments = {"queries": torch.ones(3, 2), "gallery": torch.ones(4, 2), "k": 1} | change
    with pytest.raises(ValueError, match=message):
        top_k(**arguments)
