"""Data of a run: changes are refused, and data sets may be passed in."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cones.data import Dataset, Splits, load
from cones.embedding import embed, embed_source, load_backbone
from cones.export import export_run
from cones.open_set import EvaluationOptions, evaluate_run
from cones.training import CheckpointError, TrainingError, fit, write_results

OPTIONS = EvaluationOptions((0.5,), "cosine", 0, 0.95, 0)


def draw(folder, count, start=0):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(start, start + count):
        random = np.random.default_rng([index, *folder.name.encode()])
        pixels = random.integers(0, 255, (12, 12)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")


@pytest.fixture
def trained(small, tmp_path):
    """A run over folders of pictures, 4 classes of 10."""
    for name in ("ant", "bee", "cat", "dog"):
        draw(tmp_path / "photos" / name, 10)
    run = replace(small, data=f"folder:{tmp_path / 'photos'}", epochs=1)
    list(fit(run, tmp_path / "run"))
    return run, tmp_path / "run", tmp_path / "photos"


def rename(photos):
    (photos / "ant").rename(photos / "zebra")


def add(photos):
    draw(photos / "bee", 5, start=10)


def add_class(photos):
    draw(photos / "eel", 10)


def remove_class(photos):
    shutil.rmtree(photos / "dog")


def repaint(photos):
    for path in sorted((photos / "cat").iterdir()):
        Image.new("L", (12, 12), 7).save(path)


def exchange(photos):
    (photos / "ant").rename(photos / "x")
    (photos / "bee").rename(photos / "ant")
    (photos / "x").rename(photos / "bee")


def move_one(photos):
    (photos / "ant" / "9.png").rename(photos / "bee" / "99.png")


CHANGES = {
    "renamed": (rename, r"class 'ant' is missing; class 'zebra' is new"),
    "added": (add, r"train has 4 samples more \(36\); test has 1 samples more \(9\)"),
    "class added": (add_class, r"the data have 5 classes, the run has 4; class 'eel' is new"),
    "class removed": (remove_class, r"the data have 3 classes, the run has 4; class 'dog' is missing"),
    "repainted": (repaint, r"samples of train have other contents"),
    "exchanged": (exchange, r"samples of (train|test) have other contents"),
    "moved": (move_one, r"samples of train have other labels|train has \d+ samples (more|fewer)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_data_that_changed_are_refused_by_name(trained, change):
    run, folder, photos = trained
    apply, text = CHANGES[change]
    before = (folder / "last.safetensors").read_bytes()
    apply(photos)
    with pytest.raises(TrainingError, match=text) as told:
        next(fit(replace(run, epochs=2), folder, resume=True))
    assert len(str(told.value).splitlines()) == 1
    assert f"embed them as they are now with --model {folder}" in str(told.value)
    with pytest.raises(TrainingError, match=text):
        evaluate_run(folder, OPTIONS)
    assert (folder / "last.safetensors").read_bytes() == before


def test_every_reader_of_a_runs_data_refuses(trained, tmp_path, monkeypatch):
    _, folder, photos = trained
    add(photos)
    model = load_backbone(folder)
    monkeypatch.chdir(tmp_path)
    for spec in (f"folder:{photos}", str(photos), "folder:photos"):
        with pytest.raises(TrainingError, match="have changed"):
            embed_source(model, spec, side="test")
        assert len(embed_source(model, spec).features) == 45  # no side is claimed
    with pytest.raises(TrainingError, match="have changed"):
        write_results(folder)
    with pytest.raises(TrainingError, match="have changed"):
        export_run(folder, tmp_path / "out", formats=("torch",))
    assert not (tmp_path / "out").exists()


def test_another_split_is_refused(trained):
    run, folder, _ = trained
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text.replace("test_fraction = 0.2", "test_fraction = 0.4"))
    with pytest.raises(TrainingError, match=r"train has 8 samples fewer \(24\); test has 8 samples more \(16\)"):
        evaluate_run(folder, OPTIONS)
    (folder / "config.toml").write_text(text.replace("seed = 0", "seed = 1"))
    with pytest.raises(TrainingError, match="or another split"):
        next(fit(replace(run, seed=1), folder, resume=True))


def test_a_folder_without_fingerprints_is_read(trained):
    run, folder, photos = trained
    written = json.loads((folder / "input.json").read_text())
    assert written["train"]["classes"] == ["ant", "bee", "cat", "dog"]
    older = {name: written[name] for name in ("shape", "num_classes")}
    (folder / "input.json").write_text(json.dumps(older))
    assert evaluate_run(folder, OPTIONS).evaluation.samples == 8
    add_class(photos)
    with pytest.raises(TrainingError, match="the data have 5 classes, the run has 4"):
        next(fit(replace(run, epochs=2), folder, resume=True))
    remove_class(photos)
    with pytest.raises(CheckpointError, match=r"class 3 of .* is 'dog', of the data 'eel'"):  # four again, but others
        list(fit(replace(run, epochs=2), folder, resume=True))


def test_broken_fingerprints_are_named(trained):
    _, folder, _ = trained
    written = json.loads((folder / "input.json").read_text())
    (folder / "input.json").write_text(json.dumps(written | {"train": 3}))
    with pytest.raises(ValueError, match=r"input.json is broken"):
        evaluate_run(folder, OPTIONS)


@pytest.mark.parametrize("form", ["splits", "pair"])
def test_data_of_ones_own_are_taken(small, digits, tmp_path, form):
    splits = load(f"npz:{digits}")
    data = splits if form == "splits" else (splits.train, splits.test)
    run = replace(small, data="mnist5k", epochs=2)
    lines = list(fit(run, tmp_path / "own", data=data))
    assert lines == list(fit(replace(small, epochs=2), tmp_path / "named")) or len(lines) > 2
    summary = write_results(tmp_path / "own", data=data)
    assert summary["test_accuracy"] == write_results(tmp_path / "named")["test_accuracy"]
    assert summary["data"] == f"passed:{splits.train.name}"
    assert list(fit(run, tmp_path / "own", data=data, resume=True)) == []
    assert embed(load_backbone(tmp_path / "own"), splits.test.inputs).shape == (len(splits.test), 2)
    with pytest.raises(
        ValueError, match=r"trained on data passed to fit\(data=...\), which only Python can pass again"
    ):
        write_results(tmp_path / "own")
    other = replace(splits.train, inputs=splits.train.inputs.flip(3))
    with pytest.raises(TrainingError, match="samples of train have other contents"):
        next(fit(run, tmp_path / "own", data=(other, splits.test), resume=True))


def test_a_pair_without_a_common_class_is_a_split_by_identity(small, tmp_path):
    random = torch.Generator().manual_seed(0)
    sides = [
        Dataset(name, torch.randn(20, 6, generator=random), torch.arange(20) % 2, classes)
        for name, classes in (("train", ("a", "b")), ("test", ("c", "d")))
    ]
    run = replace(small, backbone="mlp", epochs=1)
    assert "accuracy" not in list(fit(run, tmp_path, data=(sides[0], sides[1])))[-1]
    with pytest.raises(TypeError, match=r"data is a list, expected cones.data.Splits or a pair \(train, test\)"):
        next(fit(run, tmp_path, data=[sides[0]]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="different classes"):
        next(fit(run, tmp_path, data=(sides[0], replace(sides[1], classes=("a", "c")))))
    assert Splits(sides[0], sides[1], "identity").kind == "identity"


def test_a_shift_out_of_the_picture_is_refused(small, tmp_path):
    with pytest.raises(ValueError, match=r"shift is 100, but the images are \d+x\d+ pixels: pass a shift below"):
        list(fit(replace(small, shift=100), tmp_path / "run"))
    assert not (tmp_path / "run").exists()
