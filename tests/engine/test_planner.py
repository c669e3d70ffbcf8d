"""Plan of tiles of classes: a pure function of sizes."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cones.engine.planner import plan


@given(
    n=st.integers(0, 5000),
    d=st.integers(1, 2000),
    k=st.integers(1, 10**7),
    compute_dtype=st.sampled_from([None, torch.bfloat16]),
    budget=st.integers(1, 2**32),
    tile_bytes=st.integers(2**16, 2**26),
)
def test_tiles_cover_every_class_once_within_the_budget(n, d, k, compute_dtype, budget, tile_bytes):
    a_plan = plan(n, d, k, compute_dtype=compute_dtype, memory_budget=budget, tile_bytes=tile_bytes)
    assert 1 <= a_plan.tile <= k
    assert 0 <= a_plan.kept <= k
    assert a_plan.kept == k or a_plan.kept % a_plan.tile == 0
    assert 3 <= a_plan.products <= 4
    assert a_plan.tile == 1 or a_plan.tile_bytes + a_plan.kept_bytes <= budget
    if a_plan.num_tiles < 1000:
        bounds = list(a_plan.tiles())
        assert len(bounds) == a_plan.num_tiles
        assert bounds[0][0] == 0
        assert bounds[-1][1] == k
        assert all(stop == start for (_, stop), (start, _) in pairwise(bounds))


@pytest.mark.parametrize(("budget", "tile", "kept"), [(1, 1, 0), (10**12, 23, 23)])
def test_tiles_hold_at_least_one_class_and_at_most_all(budget, tile, kept):
    a_plan = plan(7, 5, 23, itemsize=8, memory_budget=budget)
    assert (a_plan.tile, a_plan.kept) == (tile, kept)


def test_a_larger_budget_never_means_more_work():
    products = [plan(512, 512, 100_000, memory_budget=2**power).products for power in range(20, 32)]
    assert products == sorted(products, reverse=True)
    assert products[-1] == 3
