"""Published memory of Partial FC runs, by the planner's formula."""

import pytest

from benchmarks.planner.published import CLASSES_AND_GIGABYTES, iresnet50, ours, published_bytes, theirs


@pytest.mark.parametrize(("gpu", "num_classes", "gigabytes"), CLASSES_AND_GIGABYTES)
def test_the_layout_gives_the_published_memory(gpu, num_classes, gigabytes):
    assert theirs(num_classes, "CosFace") == pytest.approx(published_bytes(gpu, gigabytes), rel=0.15)


def test_cones_takes_less_for_many_classes():
    assert ours(29_000_000) < 0.7 * theirs(29_000_000, "CosFace")


def test_iresnet50_has_as_many_parameters_as_theirs():
    assert iresnet50().parameters == 43_590_848
