"""The page on differences is written, and losses that both libraries have agree up to rounding."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.differences.agreement import difference, pairs
from benchmarks.differences.run import PROBES, section

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pytorch-metric-learning's own, of NumPy
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: f"{pair.peer}, {pair.theirs}")
def test_what_both_have_agrees_to_rounding(pair):
    apart = difference(pair, torch.float64)
    assert apart.loss < 1e-9  # opensphere's pi is 3.14159
    assert apart.by_features < 1e-11
    assert apart.by_weight < 1e-11 or pair.unlike == "W"
    apart = difference(pair, torch.float32)
    assert apart.loss < 1e-5 * apart.largest_loss


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_every_probe_finds_a_difference(probe):
    subject = probe()
    text = section(subject)
    assert text.startswith(f"## {subject.title}\n")
    assert "| result | cones |" in text
    assert subject.why
    assert any(line.theirs != line.ours for line in subject.lines)
    assert not any("nan" in line.ours.lower() for line in subject.lines if "seeds" not in line.ours)


def test_one_command_writes_the_page(tmp_path):
    out = tmp_path / "differences.md"
    subprocess.run([sys.executable, "-m", "benchmarks.differences", "--out", str(out)], check=True, cwd=ROOT)
    page = out.read_text()
    for number in range(1, 15):
        assert f"## D{number}: " in page
    assert "formula, not run" in page
    assert str(tmp_path) not in page
    written = (ROOT / "docs" / "differences.md").read_text()
    headings = [[line for line in text.splitlines() if line.startswith("#")] for text in (page, written)]
    assert headings[0] == headings[1]
