"""`cones embed`: from folders and data sets to a file that read_embeddings reads."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from cones.cli.app import main
from cones.data import Dataset, load
from cones.embedding import Model, embed, embed_source, load_backbone
from cones.protocols import read_embeddings
from cones.training import Run, fit
from tests.tiny_run import train, write_pictures


def cones(*arguments: object) -> object:
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def draw(path: Path, side: int = 16, mode: str = "L", seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side) if mode == "L" else (side, side, 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder of 2 people with 3 grey pictures each, some of another size."""
    for person in ("ann", "bob"):
        for number in range(3):
            draw(tmp_path / "people" / person / f"{number}.png", side=16 + 8 * (number == 2), seed=number)
    return tmp_path / "people"


def test_a_folder_of_classes(run: Path, model: Model, people: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "e.npz"
    assert cones("embed", people, "--model", run, "--out", out, "--device", "cpu") == 0
    assert capsys.readouterr().out == f"6 embeddings of 3 dims, 2 classes\n{out}\n"
    found = read_embeddings(out)
    assert found.names == tuple(f"{person}/{number}.png" for person in ("ann", "bob") for number in range(3))
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.classes == ("ann", "bob")
    first = torch.from_numpy(np.array(Image.open(people / "ann" / "0.png")))[None, None]
    torch.testing.assert_close(found.features[:1], embed(model, first))
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["features"].dtype == np.float32


def test_a_flat_folder_has_names_and_no_labels(run: Path, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "e.npz"
    assert cones("embed", people / "ann", "--model", run, "--out", out, "--flip", "--which", "best") == 0
    found = read_embeddings(out)
    assert (found.names, found.labels) == (("0.png", "1.png", "2.png"), None)
    torch.testing.assert_close(found.features.norm(dim=1), torch.ones(3))


def test_pictures_beside_a_folder_are_read_and_those_in_it_told(run: Path, tmp_path: Path, capsys) -> None:
    for number in range(4):
        draw(tmp_path / "flat" / f"{number}.png", seed=number)
    draw(tmp_path / "flat" / "more" / "4.png")
    out = tmp_path / "e.npz"
    assert cones("embed", tmp_path / "flat", "--model", run, "--out", out) == 0
    told = capsys.readouterr()
    assert told.out == f"4 embeddings of 3 dims, no labels\n{out}\n"
    assert "1 file passed over: 1 in folders below it, which nested:" in told.err
    assert cones("embed", f"nested:{tmp_path / 'flat'}", "--model", run, "--out", out) == 0
    assert read_embeddings(out).names == ("0.png", "1.png", "2.png", "3.png", "more/4.png")


def test_nested_folders_of_classes(model: Model, people: Path, capsys) -> None:
    draw(people / "ann" / "2019" / "3.png")
    draw(people / "loose.png")
    assert len(embed_source(model, str(people))) == 6
    assert "2 files passed over: 1 beside the class folders (loose.png); 1 in folders below" in capsys.readouterr().err
    found = embed_source(model, f"nested:{people}")
    assert found.labels is not None
    assert torch.bincount(found.labels).tolist() == [4, 3]


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_other_formats(run: Path, people: Path, tmp_path: Path, suffix: str) -> None:
    assert cones("embed", f"folder:{people}", "--model", run, "--out", tmp_path / f"e{suffix}") == 0
    assert cones("embed", people, "--model", run, "--out", tmp_path / "e.npz") == 0
    found, expected = read_embeddings(tmp_path / f"e{suffix}"), read_embeddings(tmp_path / "e.npz")
    assert torch.equal(found.features, expected.features)
    if suffix == ".safetensors":
        assert found.names == expected.names
        assert found.labels is not None
        assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_sides_are_those_of_the_run(model: Model) -> None:
    splits = load(model.run.data)
    everything = embed_source(model, model.run.data)
    assert len(everything) == 120
    assert everything.names is None
    sides: tuple[tuple[Literal["train", "test"], Dataset], ...] = (("train", splits.train), ("test", splits.test))
    for side, dataset in sides:
        found = embed_source(model, model.run.data, side=side)
        assert found.labels is not None
        assert torch.equal(found.labels, dataset.labels)
        assert torch.equal(found.features, embed(model, dataset.inputs))


def test_sides_of_a_folder_keep_their_names(model: Model, people: Path) -> None:
    train_side, test_side = (embed_source(model, str(people), side=side) for side in ("train", "test"))
    assert train_side.names is not None
    assert test_side.names is not None
    assert sorted(train_side.names + test_side.names) == sorted(embed_source(model, str(people)).names or ())


def test_colour_becomes_grey_as_pillow_has_it(model: Model, tmp_path: Path) -> None:
    draw(tmp_path / "colour" / "a.png", mode="RGB")
    draw(tmp_path / "colour" / "b.png")
    grey = tmp_path / "grey"
    grey.mkdir()
    for name in ("a.png", "b.png"):
        Image.open(tmp_path / "colour" / name).convert("L").save(grey / name)
    assert torch.equal(embed_source(model, str(tmp_path / "colour")).features, embed_source(model, str(grey)).features)


def test_grey_is_repeated_for_a_model_of_colour(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "test/b"):
        for number in range(2):
            draw(tmp_path / "data" / name / f"{number}.png", mode="RGB", seed=number)
    run = Run(data=f"folder:{tmp_path / 'data'}", width=0.125, epochs=1, tensorboard=False, threads=1, device="cpu")
    list(fit(run, tmp_path / "run"))
    draw(tmp_path / "grey" / "a.png")
    assert cones("embed", tmp_path / "grey", "--model", tmp_path / "run", "--out", tmp_path / "e.npy") == 0
    # the given split, train first
    assert cones("embed", tmp_path / "data", "--model", tmp_path / "run", "--out", tmp_path / "d.npz") == 0
    assert read_embeddings(tmp_path / "d.npz").names == (
        "train/a/0.png", "train/a/1.png", "train/b/0.png", "train/b/1.png", "test/b/0.png", "test/b/1.png",
    )  # fmt: skip


def broken(run: Path, people: Path) -> list[object]:
    (people / "bob" / "1.png").write_bytes(b"not a picture")
    return [people, "--model", run]


def broken_in_a_flat_folder(run: Path, people: Path) -> list[object]:
    (people / "bob" / "1.png").write_bytes(b"not a picture")
    return [people / "bob", "--model", run]


def empty(run: Path, people: Path) -> list[object]:
    (people / "none").mkdir()
    return [people / "none", "--model", run]


BAD = {
    "broken picture": (broken, 2, "bob/1.png cannot be read"),
    "broken in a flat folder": (broken_in_a_flat_folder, 2, "bob/1.png cannot be read"),
    "empty folder": (empty, 2, "none holds no image"),
    "no run": (lambda run, people: [people, "--model", people], 2, "is not the folder of a run"),
    "no source": (lambda run, people: ["mnist5", "--model", run], 2, "spec is 'mnist5', which is not a known data set"),
    "sides of a flat folder": (
        lambda run, people: [people / "ann", "--model", run, "--side", "test"], 2, "which have no sides",
    ),
    "another suffix": (
        lambda run, people: [people, "--model", run, "--out", "e.csv"], 2, "--out is e.csv, expected a file that ends",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_clear_line(
    name: str, run: Path, people: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments_of, code, text = BAD[name]
    arguments = arguments_of(run, people)
    before = sorted(tmp_path.rglob("*"))
    assert cones("embed", *arguments) == code
    error = capsys.readouterr().err
    assert text in error
    assert len(error.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_vectors_and_pictures_are_told_apart(model: Model, people: Path, tmp_path: Path) -> None:
    vectors = load_backbone(train(tmp_path / "mlp", "mlp"), device="cpu")
    assert embed_source(vectors, vectors.run.data).features.shape == (120, 3)
    with pytest.raises(ValueError, match=r"a folder of pictures, but .* was trained on vectors: give an npz:PATH"):
        embed_source(vectors, str(people))
    with pytest.raises(ValueError, match=r"images is \(120, 1, 16, 16\) torch.uint8, but .* was trained on \(N, 6\)"):
        embed_source(vectors, write_pictures(tmp_path / "pictures.npz"))
    with pytest.raises(ValueError, match="side is 'left', expected one of all, train, test"):
        embed_source(model, str(people), side="left")  # type: ignore[arg-type]
