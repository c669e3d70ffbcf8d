"""The benchmarks run; how fast is for `make bench` to say."""

import subprocess
import sys
from pathlib import Path

import numpy as np

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_trainer_takes_a_few_steps(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "digits.npz"
    np.savez(path, images=random.integers(0, 256, (40, 12, 12), dtype=np.uint8), labels=np.arange(40) % 2)
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "trainer.py", "--smoke", "--threads=1", "--batch-size=4", f"--data=npz:{path}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("ours / theirs") == 12
