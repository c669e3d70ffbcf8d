"""The benchmark of all pairs runs and prints its results."""

import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "benchmarks.open_set.all_pairs"]
ROOT = Path(__file__).parents[2]


def test_it_prints_times_memory_and_figures():
    size = ["--rows", "300", "--dim", "8", "--far", "0.01", "--rounds", "1", "--tile", "64"]
    printed = subprocess.run([*COMMAND, *size], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for line in ("300 x 8, 44,850 pairs", "bare product", "ratio", "memory at the peak", "TAR at FAR 0.01", "EER"):
        assert line in printed
