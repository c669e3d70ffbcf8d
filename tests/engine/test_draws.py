"""Random draws by number: uniform, normal, independent of each other, and the same for any part of the numbers."""

import pytest
import torch

import cones
from cones.engine.draws import BLOCK, CLASSES, ROWS, chosen, draw_seed, normal_draws, random_bits

SEED = torch.tensor(5)
CPU = torch.device("cpu")
WIDE = torch.zeros((), dtype=torch.float64)


def split_mix(state, steps):
    """The numbers of SplitMix64 from a state, in Python's own integers."""
    mask = 2**64 - 1
    for _ in range(steps):
        state = (state + 0x9E3779B97F4A7C15) & mask
        bits = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
        yield bits ^ (bits >> 31)


def test_bits_are_those_of_split_mix():
    assert next(split_mix(1234567, 1)) == 6457827717110365317  # of the authors' code
    (start,) = split_mix(5 - 0x9E3779B97F4A7C15, 1)
    expected = list(split_mix(start, 6))
    assert [bits % 2**64 for bits in random_bits(SEED, torch.arange(6), ROWS).tolist()] == expected


def test_streams_and_seeds_differ():
    numbers = torch.arange(100)
    drawn = [random_bits(torch.tensor(seed), numbers, stream) for seed in (0, 1, -1) for stream in (ROWS, CLASSES)]
    assert len(torch.cat(drawn).unique()) == 600


def test_any_part_is_the_same():
    whole = normal_draws(SEED, slice(0, 1000), WIDE)
    assert whole.dtype == torch.float32
    assert torch.equal(normal_draws(SEED, slice(300, 700), WIDE), whole[300:700])
    assert torch.equal(normal_draws(SEED, slice(300, 700), WIDE.float()), whole[300:700])
    classes = chosen(SEED, slice(0, BLOCK + 1000), 0.1, CPU)
    assert torch.equal(chosen(SEED, slice(900, BLOCK + 900), 0.1, CPU), classes[900 : BLOCK + 900])


def test_normal_draws_are_normal():
    drawn = normal_draws(SEED, slice(0, 100_000), WIDE).double()
    for power, expected, spread in ((1, 0, 1), (2, 1, 2**0.5), (3, 0, 15**0.5), (4, 3, 96**0.5)):
        assert abs((drawn**power).mean() - expected) < 5 * spread / 100_000**0.5
    neighbours = (drawn[:-1] * drawn[1:]).mean()
    assert abs(neighbours) < 5 / 100_000**0.5


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_classes_are_chosen_with_their_chance(rate):
    by_step = torch.stack([chosen(torch.tensor(seed), slice(0, 1000), rate, CPU) for seed in range(300)]).double()
    spread = (rate * (1 - rate)) ** 0.5
    assert abs(by_step.mean() - rate) < 5 * spread / 300_000**0.5
    assert (by_step.mean(dim=0) - rate).abs().max() < 5 * spread / 300**0.5
    together = (by_step[:, :-1] * by_step[:, 1:]).mean()
    assert abs(together - rate**2) < 5 * (rate**2 * (1 - rate**2)) ** 0.5 / 299_700**0.5


def test_a_seed_is_one_number_of_the_default_generator():
    torch.manual_seed(3)
    draw_seed()
    after = torch.rand(1)
    head = cones.Head(5, 23, cones.ElasticFace(), sample_rate=0.5)
    torch.manual_seed(3)
    head(torch.zeros(4, 5), torch.arange(4))
    assert torch.equal(torch.rand(1), after)


def test_nothing_is_drawn_where_nothing_is_random():
    head = cones.Head(5, 23, cones.ArcFace(0.2, 8.0), sample_rate=0.5).eval()
    before = torch.get_rng_state()
    head(torch.zeros(4, 5), torch.arange(4))
    assert torch.equal(torch.get_rng_state(), before)
