"""A data set is read and decoded once per run, and once per comparison of several losses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import cones.training.data
from cones.cli.app import main
from cones.data import load
from cones.training import DataCache, Stop, compare, fit, write_results
from cones.training._side_by_side import train_to_the_end

LOSSES = ("Softmax", "Softmax + 0.01 * CenterLoss", "ArcFace(margin=0.1, scale=8)")


@pytest.fixture
def pictures(small, tmp_path):
    """A run over 12 pictures in 2 classes."""
    random = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(6):
            pixels = random.integers(0, 255, (12, 12)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{index}.png")
    return replace(small, data=f"folder:{tmp_path / 'pictures'}", epochs=1)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the pictures that have been decoded."""
    names = []
    opened = Image.open

    def counted(file, *arguments, **options):
        names.append(str(file))
        return opened(file, *arguments, **options)

    monkeypatch.setattr(Image, "open", counted)
    return names


def test_a_comparison_decodes_each_picture_once(pictures, decoded, tmp_path):
    list(compare(pictures, LOSSES, tmp_path / "out"))
    assert len(decoded) == len(set(decoded)) == 12
    assert len(json.loads((tmp_path / "out" / "comparison.json").read_text())["runs"]) == 3


def test_a_process_of_a_comparison_decodes_each_picture_once(pictures, decoded, tmp_path):
    *_, end = train_to_the_end(pictures, tmp_path / "run", "run", None, Stop(), DataCache())
    assert end["kind"] == "end"
    assert len(decoded) == 12


def test_the_command_decodes_each_picture_once(pictures, decoded, tmp_path, monkeypatch):
    monkeypatch.setattr("cones.cli.train.report_if_possible", lambda *_, **__: "")
    fast = ["--width", "0.125", "--epochs", "1", "--no-tensorboard", "--threads", "1"]
    with pytest.raises(SystemExit) as ended:
        main(["train", "--data", pictures.data, *fast, "--out", str(tmp_path / "run")])
    assert ended.value.code == 0
    assert len(decoded) == 12


def test_shared_data_give_the_same_numbers(pictures, tmp_path):
    data = DataCache()
    for folder, cache in (("own", None), ("shared", data)):
        list(fit(pictures, tmp_path / folder, data=cache))
        write_results(tmp_path / folder, name="run", data=cache)
    own, shared = (load_file(tmp_path / folder / "features.safetensors") for folder in ("own", "shared"))
    assert own.keys() == shared.keys()
    assert all(torch.equal(own[name], shared[name]) for name in own)
    for name in ("config.toml", "input.json"):
        assert (tmp_path / "own" / name).read_bytes() == (tmp_path / "shared" / name).read_bytes()


def test_data_of_other_settings_are_read(pictures, monkeypatch):
    seen = []

    def counted(*arguments, **options):
        seen.append(options)
        return load(*arguments, **options)

    monkeypatch.setattr(cones.training.data, "load", counted)
    data = DataCache()
    assert data.read(pictures) is data.read(replace(pictures, loss="ArcFace", epochs=7))
    assert len(seen) == 1
    assert len(data.read(replace(pictures, test_fraction=0.5)).test) == 6
    assert tuple(data.read(replace(pictures, image_size=8)).test.inputs.shape[1:]) == (1, 8, 8)
    data.read(replace(pictures, seed=1))
    assert len(seen) == 4
