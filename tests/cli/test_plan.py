"""`cones plan`: what it prints, and what it refuses."""

import pytest

from cones.engine.machine import write_profile
from tests.cli.test_app import run
from tests.engine.test_machine import PROFILE


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder without a profile."""
    monkeypatch.setenv("CONES_DATA", str(tmp_path))


def test_plan_tells_memory_before_a_run(capsys):
    size = ["--classes", 1_000_000, "--dim", 512, "--batch", 512]
    assert run("plan", *size) == 0
    alone = capsys.readouterr().out
    assert "1,000,000 classes" in alone
    assert alone.count("1,953.1") == 4  # W, its gradient, its momentum; as many logits, for N is D
    assert run("plan", *size, "--ranks", 4, "--fused") == 0
    shared = capsys.readouterr().out
    assert "2,048 rows" in shared
    assert "250,000 classes" in shared
    assert "gradient of W" not in shared
    assert run("plan", "--classes", 0, "--dim", 8, "--batch", 8) == 2
    assert "--classes is 0, expected 1 to 2^40" in capsys.readouterr().err


def test_plan_tells_traffic_and_what_time_needs(capsys, tmp_path):
    size = ["--classes", 1000, "--dim", 16, "--batch", 32, "--device", "cpu"]
    assert run("plan", *size, "--ranks", 2, "--backbone", "resnet", "--image-size", 32, "--sample-rate", 0.1) == 0
    out = capsys.readouterr().out
    for told in ("sampled rows of W", "backbone: activations", "gradients of the backbone", "all-to-all"):
        assert told in out
    assert "no profile of this machine yet; add --measure" in out
    write_profile(PROFILE, tmp_path / "machine" / "cpu")
    assert run("plan", *size, "--ranks", 3) == 0
    out = capsys.readouterr().out
    assert "a processor, 2 processes, 1 thread each, measured 2026-01-02T03:04:05+00:00" in out
    assert "the profile is of 2 processes" in out
    assert "exchanges" in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--sample-rate", 0], "--sample-rate is 0.0, expected above 0 and at most 1"),
        (["--ranks", 2000], "--classes is 1000, expected at least one for each of the 2000 ranks"),
        (["--loss", "ArcFase"], "--loss"),
        (["--backbone", "resnat"], "--backbone: backbone is 'resnat'"),
        (["--fused", "--subcenters", 2], "--fused does not go with"),
        (["--backbone", "mlp", "--backbone-parameters", 5], "--backbone-parameters is given beside --backbone"),
    ],
)
def test_plan_refuses_what_cannot_be(options, told, capsys):
    assert run("plan", "--classes", 1000, "--dim", 16, "--batch", 32, *options) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_plan_measures_this_machine(capsys):
    size = ["--classes", 1000, "--dim", 16, "--batch", 32, "--device", "cpu", "--ranks", 2]
    assert run("plan", *size, "--measure") == 0
    assert "2-ranks-float32.toml" in capsys.readouterr().out
    assert run("plan", *size) == 0
    assert "expected time of a step" in capsys.readouterr().out
