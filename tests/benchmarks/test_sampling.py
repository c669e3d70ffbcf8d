"""The benchmark of sampled classes runs end to end; its figures are not tested, but those of the bias."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sampling.layer import bias
from benchmarks.sampling.run import file_of, trials

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_smoke_preset_writes_trials_and_page(tmp_path):
    command = [sys.executable, "-m", "benchmarks.sampling", "--preset", "smoke"]
    where = ["--out", str(tmp_path), "--page", str(tmp_path / "page.md")]
    subprocess.run([*command, *where], check=True, cwd=ROOT)
    wanted = {file_of(trial, Path()).name for trial in trials("smoke")} | {"layer.json"}
    assert {path.name for path in (tmp_path / "smoke").iterdir()} == wanted
    text = (tmp_path / "page.md").read_text()
    for told in ("| 1 |  | **", '| 0.3 | "sampled" |', '| 0.3 | "all" |', "--preset smoke", "over all classes"):
        assert told in text
    assert str(tmp_path) not in text


def test_only_one_of_three_ways_is_unbiased():
    found = bias(100, 0.1, 200)
    for name, (gap, error) in found.items():
        assert (gap < 2 * error) == (name == "over all classes"), (name, gap, error)
