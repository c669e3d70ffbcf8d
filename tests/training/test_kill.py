"""A run killed without warning, again and again, ends with exactly the weights of an uninterrupted one."""

import random
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file

from cones.training import fit

CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from cones.training import Run, fit
run = Run(**{run!r})
for metrics in fit(run, Path({folder!r}), resume=True):
    print(metrics["step"], flush=True)
"""


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments(small, tmp_path, times):
    loss = "ASoftmax(margin=3, blend=Annealing(base=10.0, gamma=0.05, power=2.0, minimum=0.0)) + 0.01 * CenterLoss"
    run = replace(
        small, loss=loss, epochs=60, save_every=1, log_every=1, shift=1, optimizer="adamw", learning_rate=1e-3
    )
    list(fit(run, tmp_path / "whole"))
    chance = random.Random(0)
    kills = 0
    while kills < times:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(run=asdict(run), folder=str(tmp_path / "killed"))],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.25))
        assert child.poll() is None, "the run ended before it could be killed: make it longer"
        child.kill()
        child.wait()
        child.stdout.close()
        kills += 1
    list(fit(run, tmp_path / "killed", resume=True))
    whole, killed = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name in whole:
        assert torch.equal(whole[name], killed[name]), name
