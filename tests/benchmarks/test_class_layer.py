"""The benchmarks run and write their pages; the measurements themselves are not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.class_layer.contenders import CONTENDERS, INDEXED
from benchmarks.class_layer.measure import errors, extra_bytes, seconds
from benchmarks.class_layer.memory import growth_of
from benchmarks.class_layer.run import PRESETS, Size, cases, measured

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "benchmarks.class_layer"]


def test_smoke_preset_writes_numbers_page_and_plot(tmp_path):
    out = tmp_path / "benchmarks"
    options = ["--preset", "smoke", "--out", str(out), "--processor", "mine"]
    subprocess.run([*COMMAND, *options], check=True, cwd=ROOT)
    assert {path.name for path in out.iterdir()} == {"mine", "mine.md"}
    assert {path.name for path in (out / "mine").iterdir()} == {"class_layer.json", "growth.svg", "growth.png"}
    results = json.loads((out / "mine" / "class_layer.json").read_text())
    preset = PRESETS["smoke"]
    assert [case["contender"] for case in results["cases"]] == [name for name, _, _ in cases(preset)]
    for case in results["cases"]:
        assert ("skipped" in case) != (len(case.get("products_seconds", ())) == preset.rounds)
    assert {"processor", "threads", "torch", "date"} <= results["machine"].keys()
    pages = [out / "mine.md", tmp_path / "benchmarks.md"]
    page, index = (path.read_text() for path in pages)
    for column in ("ratio to products", "min..max", "to tiled", "ms", "extra MiB", "error, x dense", "K = 500"):
        assert f" {column} |" in page
    assert "(mine/growth.svg)" in page
    assert "(benchmarks/mine.md)" in index
    assert all(abs(sum(shares.values()) - 1) < 1e-9 for shares in results["phases"].values())
    assert str(tmp_path) not in page + index + json.dumps(results)

    for path in pages:
        path.unlink()
    subprocess.run([*COMMAND, "--redraw", "--out", str(out)], check=True, cwd=ROOT)
    assert [path.read_text() for path in pages] == [page, index]


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_every_contender_runs(contender):
    if contender.missing():  # as linear_cross_entropy before torch 2.13: left out, and the page says why
        assert measured(contender.name, Size(4, 20, 8), 2, with_memory=False)["skipped"] == contender.missing()
        return
    times = seconds(contender, 4, 20, 8, rounds=2)
    assert [len(values) for values in times.values()] == [2, 2]
    extra = extra_bytes(contender, 4, 20, 8)
    assert extra is None or extra >= 0


def test_those_who_compute_arcface_compute_the_same():
    found = errors(16, 200, 16)
    in_bfloat16 = {contender.name: contender.in_bfloat16 for contender in CONTENDERS}
    assert INDEXED in found
    for name, error in found.items():
        assert error.keys() == {"loss", "features", "weight"}
        assert max(error.values()) < (0.05 if in_bfloat16[name] else 1e-4), name


def test_the_peak_of_a_step_is_seen():
    held = []

    def step():
        held.append(torch.ones(2**24))  # 64 MiB that stay, and as many that go
        torch.ones(2**24).sum()

    grown = growth_of(step, torch.device("cpu"))
    if not os.access("/proc/self/clear_refs", os.W_OK):  # Linux tells the peak of a step; elsewhere the page has n/a
        assert grown is None
        return
    assert grown is not None
    assert 120 * 2**20 < grown < 160 * 2**20


def test_what_does_not_fit_is_left_out_with_a_reason():
    case = measured(INDEXED, Size(2**20, 2**30, 512), 1, with_memory=True)
    assert "seconds" not in case
    assert "GiB" in case["skipped"] or not os.path.exists("/proc/meminfo")


def test_trainer_takes_a_few_steps(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "digits.npz"
    np.savez(path, images=random.integers(0, 256, (40, 12, 12), dtype=np.uint8), labels=np.arange(40) % 2)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.trainer.trainer",
            "--smoke",
            "--threads=1",
            "--batch-size=4",
            f"--data=npz:{path}",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.count("ours / theirs") == 12
