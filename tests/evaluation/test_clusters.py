"""k-means against all partitions; mutual information against all ways to deal the rows."""

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import adjusted_mutual_information, k_means, normalized_mutual_information
from tests.evaluation import samples


def best_inertia(x, k):
    """The smallest sum of squares over all assignments of the rows to k clusters."""
    smallest = math.inf
    for assignment in itertools.product(range(k), repeat=len(x)):
        total = 0.0
        for j in set(assignment):
            rows = x[torch.tensor([i for i, a in enumerate(assignment) if a == j])]
            total += float((rows - rows.mean(0)).square().sum())
        smallest = min(smallest, total)
    return smallest


@pytest.mark.parametrize("seed", range(6))
def test_many_starts_find_the_optimum(seed):
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for k in (1, 2, 3):
        assert k_means(x, k, restarts=60).inertia == pytest.approx(best_inertia(x, k), rel=1e-9)
    assert k_means(x, 7).inertia == 0


@settings(max_examples=60)
@given(seed=samples.seeds, rows=st.integers(1, 25), kind=st.sampled_from(["normal", "grid", "zeros", "same", "half"]),
       block=samples.blocks, data=st.data())  # fmt: skip
def test_ends_where_nothing_moves(seed, rows, kind, block, data):
    x = samples.embeddings(seed, rows, 3, kind)
    k = data.draw(st.integers(1, rows))
    found = k_means(x, k, seed=seed, block=block)
    x = x.double()
    distance = (x[:, None] - found.centers).square().sum(2)
    own = distance.gather(1, found.assignment[:, None])[:, 0]
    assert found.converged
    assert torch.allclose(own, distance.amin(1), atol=1e-12)
    assert found.inertia == pytest.approx(own.sum().item(), abs=1e-12)
    for j in found.assignment.unique():
        assert torch.allclose(found.centers[j], x[found.assignment == j].mean(0), atol=1e-9)


def test_well_apart_groups_are_found_and_seeds_repeat():
    torch.manual_seed(0)
    y = torch.arange(300) % 12
    x = 20 * torch.randn(12, 5)[y] + torch.randn(300, 5)
    found = k_means(x, 12, restarts=5, seed=3)
    assert normalized_mutual_information(found.assignment, y) == pytest.approx(1)
    again = k_means(x, 12, restarts=5, seed=3)
    assert torch.equal(found.assignment, again.assignment)
    assert torch.equal(found.centers, again.centers)


def test_a_stop_before_the_end_is_told():
    torch.manual_seed(0)
    found = k_means(torch.randn(200, 2), 15, restarts=1, iterations=1)
    assert (found.iterations, found.converged) == (1, False)


def entropy(counts, total):
    return -sum(c / total * math.log(c / total) for c in counts)


def information(a, b):
    """I, H(A), H(B) from counts alone."""
    n = len(a)
    h_a, h_b, h = (entropy(Counter(labels).values(), n) for labels in (a, b, list(zip(a, b, strict=True))))
    return h_a + h_b - h, h_a, h_b


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 3)), min_size=1, max_size=6))
def test_information_equals_all_ways_to_deal(pairs):
    a, b = [i for i, _ in pairs], [j for _, j in pairs]
    mutual, h_a, h_b = information(a, b)
    dealt = [information(a, list(order))[0] for order in itertools.permutations(b)]
    expected = sum(dealt) / len(dealt)
    nmi = normalized_mutual_information(torch.tensor(a), torch.tensor(b))
    ami = adjusted_mutual_information(torch.tensor(a), torch.tensor(b))
    if h_a + h_b == 0:
        assert nmi == ami == 1
        return
    assert nmi == pytest.approx(mutual / ((h_a + h_b) / 2), abs=1e-12)
    room = (h_a + h_b) / 2 - expected
    same = len(set(a)) == len(set(b)) == len(set(pairs))
    # where both are all singles nothing is left to chance: equal partitions score 1
    assert ami == pytest.approx(1 if same else (mutual - expected) / room, abs=1e-9)


def dealt(rows, classes, seed):
    return torch.randint(classes, (rows,), generator=torch.Generator().manual_seed(seed))


ROWS = torch.arange(1000)


@pytest.mark.parametrize(
    ("a", "b", "nmi", "ami"),
    [
        (ROWS % 7, ROWS % 5, 8.283480512970339e-05, -0.00676909568241568),
        (ROWS // 100, ROWS // 90, 0.805587481723951, 0.801265337913493),
        (ROWS % 7, (ROWS * ROWS) % 11, 7.391414938663863e-06, -0.008222036526044137),
        ((ROWS * ROWS) % 23, (ROWS // 9) % 13, 0.013827423084309308, -0.013800293779203929),
        (ROWS // 3, ROWS // 4, 0.9185692710609368, 0.627246562973862),
        (ROWS % 2, ROWS, 0.18238549547225852, 0.0),
    ],
)
def test_golden_values(a, b, nmi, ami):
    """scikit-learn 1.9.1 gave these numbers: normalized_mutual_info_score, adjusted_mutual_info_score."""
    assert normalized_mutual_information(a, b) == pytest.approx(nmi, rel=1e-10)
    assert adjusted_mutual_information(a, b) == pytest.approx(ami, rel=1e-10, abs=1e-12)


def test_chance_scores_nothing():
    a, b = dealt(3000, 60, 0), dealt(3000, 60, 1)
    assert normalized_mutual_information(a, b) > 0.1
    assert abs(adjusted_mutual_information(a, b)) < 0.02


@pytest.mark.parametrize("score", [normalized_mutual_information, adjusted_mutual_information])
def test_information_errors(score):
    with pytest.raises(ValueError, match=r"a has shape \(3,\) and b \(2,\), expected \(N,\) both"):
        score(torch.arange(3), torch.arange(2))
    with pytest.raises(ValueError, match=r"b has dtype torch.float32, expected integers"):
        score(torch.arange(3), torch.ones(3))
    assert score(torch.zeros(0).long(), torch.zeros(0).long()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, r"k is 0, expected 1\.\.4"),
        ({"k": 5}, r"k is 5, expected 1\.\.4"),
        ({"restarts": 0}, r"restarts is 0 and iterations 100, expected 1 or more"),
        ({"features": torch.full((4, 2), torch.nan)}, r"features\[0\] is not finite"),
    ],
)
def test_k_means_errors(change, message):
    with pytest.raises(ValueError, match=message):
        k_means(**({"features": torch.ones(4, 2), "k": 2} | change))
