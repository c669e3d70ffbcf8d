"""The open-set benchmark runs end to end, and its intervals are those of the draws; the figures are not tested."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.open_set.page import drawn, interval, page
from benchmarks.open_set.recipes import FACES, GLYPHS, RECIPES, RIVAL_OF
from benchmarks.open_set.run import file_of, trials
from benchmarks.open_set.trial import Trial, run_of, run_trial, samples_of
from cones.catalogue import every_loss
from cones.data import Dataset
from cones.training import parse_objective

ROOT = Path(__file__).parents[2]


def test_smoke_preset_writes_trials_and_page(tmp_path):
    command = [sys.executable, "-m", "benchmarks.open_set", "faces-orl", "--preset", "smoke"]
    where = ["--out", str(tmp_path), "--page", str(tmp_path / "page.md")]
    subprocess.run([*command, *where], check=True, cwd=ROOT)
    wanted = {file_of(trial, Path()).name for trial in trials("faces-orl", "smoke")}
    assert {path.name for path in (tmp_path / "faces-orl" / "smoke").iterdir()} == wanted
    text = (tmp_path / "page.md").read_text()
    for told in (
        "| raw pixels |",
        "| Softmax |",
        "| ArcFace |",
        "pytorch-metric-learning",
        "--preset smoke",
        "to Softmax",
    ):
        assert told in text
    assert str(tmp_path) not in text
    (tmp_path / "page.md").unlink()
    subprocess.run([*command, *where, "--redraw"], check=True)
    assert (tmp_path / "page.md").read_text() == text


def test_a_trial_is_the_same_every_time():
    trial = Trial("faces-orl", "ArcFace", 1, epochs=1)
    once, again = run_trial(trial), run_trial(trial)
    for told in (once, again):
        del told["seconds"], told["measured_in"]
    assert once == again


def test_every_loss_is_in_every_table():
    for recipe in (GLYPHS, FACES):
        assert recipe.losses.keys() == every_loss().keys()
        for name, text in recipe.losses.items():
            assert name in str(parse_objective(text))
            assert run_of(recipe, Trial("", name, 0)).loss == text
        assert recipe.rivals.keys() == RIVAL_OF.keys()
        assert recipe.seeds >= 3


def test_what_is_tested_is_spread_over_every_class():
    labels = torch.tensor([0, 0, 1, 0, 1, 1, 0, 1])
    data = Dataset("x", torch.arange(8.0)[:, None], labels, ("a", "b"))
    assert samples_of(data, 2).inputs.flatten().tolist() == [0, 2, 3, 5]
    assert len(samples_of(data, 1)) == 8


def test_intervals_count_seeds_and_classes():
    random = np.random.default_rng(0)
    of_classes = 0.02 * random.standard_normal(400)
    for new_split in (False, True):
        recipe = replace(GLYPHS, new_split=new_split)
        found = [{"draws": (0.8 + 0.01 * seed + of_classes).tolist()} for seed in (-1, 0, 1)]
        low, high = interval(drawn(recipe, found))
        # of three seeds the mean's standard error is 0.01 * sqrt(2/3) / sqrt(3); classes that all seeds share add 0.02
        spread = np.hypot(0.01 * np.sqrt(2 / 3 / 3), 0.02 / (np.sqrt(3) if new_split else 1))
        assert np.isclose(high - low, 2 * 1.96 * spread, rtol=0.1)
    better = [{"draws": [value + 0.01 for value in one["draws"]]} for one in found]
    assert np.allclose(interval(drawn(GLYPHS, better, found)), 0.01)


def test_a_loss_that_diverged_is_on_the_page():
    recipe = RECIPES["faces-orl"]
    one = {
        "tar": [0.5], "draws": [0.5, 0.6], "genuine": 900, "impostors": 19000, "eer": 0.1, "rank_1": 0.9, "dir": 0.5,
        "recall_1": 0.9, "map_at_r": 0.6, "fisher": 0.2, "intra": 0.3, "seconds": 1.0, "measured_in": 1.0,
    }  # fmt: skip
    results = {
        "raw pixels": [one],
        "Softmax": [one],
        "ArcFace": [{"error": "the loss is inf at step 3", "seconds": 1.0}],
    }
    text = page("faces-orl", "default", json.loads(json.dumps(results)))
    assert "| ArcFace | n/a: the loss is inf at step 3 |" in text
    assert recipe.about.splitlines()[0] in text
