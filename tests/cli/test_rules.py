"""Rules of all commands: the place to write to is checked first, wrong input exits with 2, untrusted code is named."""

import os
import re

import numpy as np
import pytest

from cones.cli.app import main
from cones.evaluation import EvaluationOptions, gallery_probe_split
from cones.training import Run


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def error_of(capsys):
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1, error
    return error


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a file and a data set; no run is in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    np.savez("data.npz", images=np.zeros((8, 12, 12), np.uint8), labels=np.arange(8) % 2)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "out"),  # what they would read is missing: the place is looked at before it
    [
        (["train", "--data", "npz:no.npz"], "file/run"),
        (["compare", "--data", "npz:no.npz"], "file/runs"),
        (["evaluate", "no.npz"], "file/evaluation"),
        (["embed", "npz:no.npz", "--model", "no"], "file/e.npz"),
        (["export", "no"], "file/exported"),
        (["migrate", "oml", "no.pt"], "file/head.safetensors"),
        (["losses", "ArcFace"], "file/pages"),
        (["plot", "--margins", "ArcFace"], "file/curves"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_place_is_checked_before_anything_is_read(here, capsys, command, out):
    before = sorted(here.rglob("*"))
    assert run(*command, "--out", out) == 1
    error = error_of(capsys)
    assert re.match(rf"cones: cannot write {out}(\.svg)? \((.*/)?file is a file, expected a folder\): ", error), error
    assert error.endswith(": write to another place (--out)\n")
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--resume", "run"],
        ["train", "--config", "run/config.toml"],
        ["evaluate", "run"],
        ["evaluate", "faces", "--model", "run"],
        ["embed", "npz:data.npz", "--model", "run"],
        ["export", "run", "--out", "exported"],
        ["plot", "run"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("epochs = [", "config.toml is not TOML"),
        ('backbone = "mine:Net"', "config.toml names code as its backbone, mine:Net"),
    ],
)
def test_a_configuration_that_cannot_be_used_exits_with_2(here, capsys, command, config, said):
    (here / "run").mkdir()
    (here / "run" / "config.toml").write_text(config)
    assert run(*command) == 2
    assert f"run/{said}" in error_of(capsys)


@pytest.mark.parametrize("command", [["evaluate", "faces.npz"], ["train"]], ids=["evaluate", "train"])
@pytest.mark.parametrize("seed", [-1, 2**31, 2**70])
def test_seeds_have_one_rule(here, capsys, command, seed):
    assert run(*command, "--seed", seed) == 2
    assert f"seed is {seed}, expected a whole number of at least 0 and below 2^31" in error_of(capsys)


def test_seeds_have_one_rule_in_python():
    calls = (
        lambda: EvaluationOptions(seed=-1),
        lambda: gallery_probe_split([0, 0, 1], seed=-1),
        lambda: Run(seed=-1),
    )
    for call in calls:
        with pytest.raises(ValueError, match="seed is -1, expected a whole number of at least 0"):
            call()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["embed", "npz:data.npz", "--model", "no", "--out", "data.npz"], "data.npz does not hold embeddings"),
        (["migrate", "oml", "no.pt", "--out", "other.safetensors"], "other.safetensors is not a head"),
    ],
)
def test_files_of_another_kind_are_not_replaced(here, capsys, command, said):
    (here / "other.safetensors").write_bytes(b"mine")
    before = (here / "data.npz").read_bytes()
    assert run(*command) == 1
    assert f"{said}: write to another file (--out)" in error_of(capsys)
    assert ((here / "data.npz").read_bytes(), (here / "other.safetensors").read_bytes()) == (before, b"mine")


def test_a_head_is_written_to_a_file_of_its_suffix(here, capsys):
    assert run("migrate", "oml", "no.pt", "--out", "data.npz") == 2
    assert "--out is data.npz, expected a file that ends in .safetensors" in error_of(capsys)


@pytest.mark.parametrize(("path", "said"), [("/dev/null", "is not a regular file"), ("/tmp", "is a folder")])
def test_weights_that_are_no_file_are_said_to_be(here, capsys, path, said):
    assert run("migrate", "oml", path) == 2
    assert f"{path} {said}" in error_of(capsys)


def test_a_device_in_a_configuration_is_not_read(here, capsys):
    (here / "config.toml").write_text('data = "npz:/dev/zero"\n')
    assert run("train", "--config", "config.toml", "--out", "run") == 2
    assert "/dev/zero is not a regular file" in error_of(capsys)
    assert not os.path.exists("run")


@pytest.mark.parametrize(
    ("pictures", "said"),
    [("nowhere", "--pictures is nowhere, which is not a folder"), (".", "--pictures is ., but e.npz has no names")],
)
def test_pictures_that_cannot_be_shown_are_said_to_be(here, capsys, pictures, said):
    np.savez("e.npz", features=np.eye(4), labels=np.arange(4) % 2)
    assert run("evaluate", "e.npz", "--pictures", pictures) == 2
    assert said in error_of(capsys)
