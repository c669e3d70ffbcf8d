"""Processes that share the tiles get the result of one process."""

import pytest
import torch
import torch.distributed as dist

from cones.evaluation import verification_of_all_pairs
from cones.evaluation.verification import _all_pairs, _bins
from tests.world import in_world

FAR = (0.1, 0.01, 1e-3)


def rows(samples, subjects):
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(subjects, (samples,), generator=generator)
    centers = torch.randn(subjects, 6, generator=generator)
    return centers[labels] + 0.7 * torch.randn(samples, 6, generator=generator), labels


def same_as_alone(rank, world, samples, subjects, tile, blind):
    x, labels = rows(samples, subjects)
    if blind:  # nothing is guessed, so that the tiles are gone through again
        pytest.MonkeyPatch().setattr(_all_pairs, "likely", lambda *_: torch.zeros(_bins.BINS, dtype=torch.bool))
    alone = verification_of_all_pairs(x, labels, FAR, tile=tile)
    assert verification_of_all_pairs(x, labels, FAR, tile=tile, group=dist.group.WORLD) == alone


@pytest.mark.parametrize(
    ("world", "samples", "subjects", "tile", "blind"),
    [(2, 200, 20, 32, False), (3, 200, 20, 32, True), (3, 40, 4, 64, False)],
)
def test_shared_tiles_give_the_figures_of_one_process(world, samples, subjects, tile, blind):
    in_world(world, same_as_alone, samples, subjects, tile, blind)
