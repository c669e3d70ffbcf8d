"""Intervals by resampling subjects."""

import math
from functools import partial
from typing import Any

import pytest
import torch

from cones.evaluation import gallery_probe_split, identification, retrieval
from cones.evaluation._bootstrap import Bootstrap, weighted_mean
from tests.narrowing import not_none


def test_coverage_of_a_mean_over_subjects():
    """Rows of a subject are equal: the spread is that of 20 subjects, not of 200 rows."""
    generator = torch.Generator().manual_seed(0)
    covered, widths = 0, []
    for trial in range(100):
        values = torch.randn(20, generator=generator, dtype=torch.float64).repeat_interleave(10)
        mean = partial(weighted_mean, values)
        low, high = not_none(Bootstrap(200, 0.9, trial).interval(mean, torch.arange(200) // 10))
        covered += low <= 0 <= high
        widths.append(high - low)
    assert 78 <= covered <= 98
    assert sum(widths) / 100 == pytest.approx(2 * 1.645 / math.sqrt(20), rel=0.15)


def test_subjects_are_drawn_whole_and_kinds_keep_their_number():
    subjects, strata = torch.tensor([5, 5, 7, 7, 7, 9, 11, 11]), torch.tensor([1, 1, 1, 1, 1, 0, 0, 0]).bool()
    seen: list[list[float]] = []

    def figure(times):
        seen.append(times.tolist())
        return 0.0

    Bootstrap(50, 0.9, 0).interval(figure, subjects, strata)
    for a, b, c, d, e, f, g, h in seen:
        assert (a, c, g) == (b, d, h)
        assert c == e
        assert a + c == 2 == f + g
    assert len({tuple(times) for times in seen}) == 9


def test_too_few_subjects_or_no_draws_have_no_interval():
    one, two = torch.tensor([3, 3, 3]), torch.tensor([3, 3, 4])
    mean = Bootstrap(10, 0.9, 0)
    assert mean.interval(lambda times: 1.0, one) is None
    assert mean.interval(lambda times: 1.0, two, torch.tensor([True, True, False])) is None
    assert mean.interval(lambda times: 1.0, two) == (1.0, 1.0)
    assert Bootstrap(0, 0.9, 0).interval(lambda times: 1.0, two) is None


def expand(rows, times):
    """Rows, each as often as it was drawn."""
    return rows.repeat_interleave(times.long())


def test_a_draw_equals_the_figures_of_the_rows_it_holds():
    """DIR with its own threshold and rank-1 of a draw: the whole function on the probes written out that often."""
    torch.manual_seed(0)
    x, y = torch.randn(120, 4), torch.arange(120) % 20
    split = gallery_probe_split(y, samples=2, seed=1)
    g, p = split.gallery, split.probes
    mated = torch.isin(y[p], y[g])
    arguments: dict[str, Any] = {"far": (0.1, 0.3), "confidence": 0.5}
    found = identification(x[g], y[g], x[p], y[p], resamples=25, **arguments)
    figures: list[list[float]] = [[], [], []]

    def figure(times):
        drawn = expand(p, times)
        again = identification(x[g], y[g], x[drawn], y[drawn], resamples=0, **arguments)
        figures[1].append(not_none(again.open_set[0].dir))
        figures[2].append(not_none(again.open_set[1].dir))
        return not_none(again.cmc)[0]

    Bootstrap(25, 0.5, 0).interval(figure, y[p], mated)
    for at, values in zip(found.open_set, figures[1:], strict=True):
        ends = torch.tensor(values, dtype=torch.float64).quantile(torch.tensor([0.25, 0.75], dtype=torch.float64))
        assert at.interval == pytest.approx(ends.tolist())
        low, high = not_none(at.interval)
        assert low <= not_none(at.dir) <= high
    low, high = not_none(found.rank_1_interval)
    assert low <= not_none(found.cmc)[0] <= high


def test_seeds_repeat_and_differ():
    torch.manual_seed(0)
    x, y = torch.randn(60, 3), torch.arange(60) % 12
    first, again, other = (retrieval(x, y, restarts=0, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.map_at_r_interval != other.map_at_r_interval
    assert first.map_at_r == other.map_at_r
    low, high = not_none(first.recall_interval)
    assert low < first.recall[0] < high
