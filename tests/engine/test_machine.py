"""Machine profiles: whole files, times by their formula, and measuring."""

from dataclasses import fields, replace
from unittest.mock import patch

import pytest
import torch

import cones
from cones.engine import measuring
from cones.engine.machine import Collective, Profile, nearest_profile, path_of, read_profile, write_profile
from cones.engine.rank_plan import RankPlan
from cones.engine.traffic import Exchange

PROFILE = Profile(
    measured="2026-01-02T03:04:05+00:00", machine="a processor", ranks=2, threads=1, precision="float32", rows=64,
    dim=16, tile=128, logits=1e9, features=2e9, weights=4e9, exponentials=1e8, elements=1e8, new_memory=1e9,
    stream=4e9, tiles=1e4,
    collectives={kind: Collective(1e-4, 1e8) for kind in ("all-to-all", "all-gather", "all-reduce")},
)  # fmt: skip


def plan(**options):
    return RankPlan(cones.ArcFace(), 1000, 16, 32, **({"ranks": 2, "tile_bytes": 2**20} | options))


def test_a_profile_is_read_as_it_was_written(tmp_path):
    path = write_profile(PROFILE, tmp_path)
    assert path == path_of(tmp_path, 2, "float32")
    assert read_profile(path) == PROFILE


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("logits = ", "loggits = "),
        lambda text: text.replace("stream = ", "stream = -"),
        lambda text: text.replace("latency", "delay"),
    ],
)
def test_a_damaged_profile_says_so(tmp_path, change):
    path = write_profile(PROFILE, tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=r"2-ranks-float32.toml is not a machine profile .*cones plan --measure"):
        read_profile(path)


def test_the_profile_of_the_most_processes_up_to_the_ranks_is_taken(tmp_path):
    assert nearest_profile(tmp_path, 8, "float32") is None
    for ranks in (1, 2, 4):
        write_profile(replace(PROFILE, ranks=ranks), tmp_path)
    taken = {ranks: nearest_profile(tmp_path, ranks, "float32") for ranks in (1, 2, 3, 8)}
    assert {ranks: profile and profile.ranks for ranks, profile in taken.items()} == {1: 1, 2: 2, 3: 2, 8: 4}
    assert nearest_profile(tmp_path, 2, "bfloat16") is None


def test_seconds_follow_the_formula():
    a_plan = plan(fused=True)
    parts = PROFILE.seconds(a_plan, [Exchange("numbers", "all-to-all", 1_000_000)])
    product = 2 * 64 * 16 * 500
    assert parts["products"] == pytest.approx(product / 1e9 + product / 2e9 + product / 4e9)
    assert parts["exponentials"] == pytest.approx(64 * 500 / 1e8)
    assert parts["passes over W"] == pytest.approx(6 * 500 * 16 / 1e8)
    assert parts["tiles"] == pytest.approx(a_plan.step.num_tiles / 1e4)
    assert parts["new memory"] == pytest.approx(a_plan.memory()["exponentials kept for the backward"] / 1e9)
    assert parts["optimiser"] == pytest.approx(4 * 500 * 16 * 4 / 4e9)
    assert parts["exchanges"] == pytest.approx(1e-4 + 500_000 / 1e8)
    assert "exchanges" not in replace(PROFILE, collectives={}).seconds(a_plan, [])


def test_recomputed_exponentials_take_their_product_again():
    kept, recomputed = (PROFILE.seconds(plan(fused=True, memory_budget=size), []) for size in (2**26, 2**15))
    assert recomputed["exponentials"] > 1.5 * kept["exponentials"]
    assert recomputed["products"] > kept["products"]


def test_bent_logits_take_longer():
    bent = RankPlan(cones.MVSoftmax(), 1000, 16, 32, ranks=2)
    assert PROFILE.seconds(bent, [])["margin"] > 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_speeds_of_one_process(precision):
    with patch.object(measuring, "LONG_ENOUGH", 1e-4), patch.object(measuring, "BLOCK", 2**16):
        speeds = measuring._speeds(8, 4, 16, precision, torch.device("cpu"))
    assert all(speed > 0 for speed in speeds.values())
    assert set(speeds) < {field.name for field in fields(Profile)}


def test_fewer_gpus_than_ranks_are_refused():
    with (
        patch("torch.cuda.device_count", return_value=1),
        pytest.raises(ValueError, match=r"ranks is 2, but this machine has 1 GPUs: measure with fewer ranks"),
    ):
        measuring.measure(plan(), torch.device("cuda"), 1)


@pytest.mark.slow
def test_two_processes_measure_a_profile(tmp_path):
    profile = measuring.measure(plan(), torch.device("cpu"), 1)
    assert (profile.ranks, profile.rows, profile.dim) == (2, 64, 16)
    assert set(profile.collectives) == {"all-to-all", "all-gather", "all-reduce"}
    assert read_profile(write_profile(profile, tmp_path)) == profile
