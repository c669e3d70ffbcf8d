"""`cones export`: its files and output, and no leftovers after a failure."""

import json
from pathlib import Path

import pytest
import torch

from cones.cli.app import main
from cones.embedding import load_backbone
from cones.evaluation import read_decision, write_decision
from cones.evaluation.scores import file_sha256
from cones.export import decide, read_metadata
from cones.training import read_run
from cones.training.data import read_data

FAR = ["--far", "0.05", "--samples", "20"]


def cones(*arguments: object) -> object:
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_both_files_and_a_card(lenets: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "deep" / "out"
    assert cones("export", lenets, "--out", out, *FAR) == 0
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "model.onnx", "model.pt2"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    card = json.loads((out / "model.json").read_text())
    assert card["input"]["shape"] == ["N", 1, 16, 16]
    assert card["input"]["dtype"] == "uint8"
    assert card["input"]["channels"] == "grey"
    assert card["output"]["shape"] == ["N", 3]
    assert card["training"]["classes"] == 4
    assert card["training"]["loss"] == str(read_run(lenets / "config.toml").objective)
    assert card["model_sha256"] == file_sha256(lenets / "last.safetensors")
    assert card["far"] == 0.05
    for name in ("model.onnx", "model.pt2"):
        decision, sha256 = read_metadata(out / name)
        assert (decision.threshold, sha256) == (card["threshold"], card["model_sha256"])
        assert card["checked"][name]["pairs"] == 190
        assert card["checked"][name]["wrong"] == 0
    (tmp_path / "decision.json").write_text(json.dumps(card["decision"]))
    assert read_decision(tmp_path / "decision.json", lenets / "last.safetensors") == decision
    told = capsys.readouterr()
    assert told.out.count("20 samples: embeddings differ by at most") == 2
    assert "of 190 decisions 0 differ" in told.out
    assert told.out.startswith("same where cosine ≥ ")
    assert told.err == ""  # nothing of what the exporter says of itself


@pytest.mark.parametrize(("form", "file"), [("onnx", "model.onnx"), ("torch", "model.pt2")])
def test_one_file_from_a_decision_of_ones_own(lenets: Path, tmp_path: Path, form: str, file: str) -> None:
    model = load_backbone(lenets, "best", device="cpu")
    decision = decide(model, read_data(model.run).test, 0.2)
    write_decision(tmp_path / "d.json", decision)
    out = tmp_path / "out"
    out.mkdir()  # an empty folder will do
    assert cones(
        "export", lenets, "--out", out, "--decision", tmp_path / "d.json", "--which", "best", "--format", form
    ) == 0  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == ["model.json", file]
    assert read_metadata(out / file)[0] == decision


def test_a_file_that_decides_otherwise_is_not_left(lenets: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("cones.export._graph.to_float", lambda pixels: pixels.float() / 255)
    for form in ("onnx", "torch"):
        assert cones("export", lenets, "--out", tmp_path / "out", "--format", form, *FAR) == 1
        error = capsys.readouterr().err
        assert "does not decide as the run does, and nothing is written: 20 samples" in error
        assert len(error.strip().splitlines()) == 1
        assert list(tmp_path.iterdir()) == []


def other_decision(run: Path, folder: Path) -> list[object]:
    model = load_backbone(run, device="cpu")
    write_decision(folder / "d.json", decide(model, read_data(model.run).test, 0.2))
    return [run, "--decision", folder / "d.json", "--which", "best"]


def broken_weights(run: Path, folder: Path) -> list[object]:
    (folder / "run").mkdir()
    for name in ("config.toml", "input.json"):
        (folder / "run" / name).write_bytes((run / name).read_bytes())
    (folder / "run" / "last.safetensors").write_bytes(b"junk")
    return [folder / "run"]


def not_empty(run: Path, folder: Path) -> list[object]:
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine")
    return [run]


BAD = {
    "no run": (lambda run, folder: [folder / "no"], 2, "no is not the folder of a run"),
    "broken weights": (broken_weights, 2, "last.safetensors is broken"),
    "a decision of another model": (other_decision, 2, "a threshold holds for the model it was chosen on"),
    "no decision": (lambda run, folder: [run, "--decision", folder / "no.json"], 2, "there is no file"),
    "out is not empty": (not_empty, 1, "out already exists, expected a new or an empty folder"),
    "far": (lambda run, folder: [run, "--far", "1"], 2, "--far is 1.0, expected a rate of at least 0 and below 1"),
    "samples": (lambda run, folder: [run, "--samples", "1"], 2, "--samples is 1, expected at least 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_clear_line(name: str, lenets: Path, tmp_path: Path, capsys) -> None:
    arguments_of, code, text = BAD[name]
    arguments = arguments_of(lenets, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert cones("export", *FAR, "--out", tmp_path / "out", *arguments) == code
    error = capsys.readouterr().err
    assert text in error
    assert len(error.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_whose_weights_are_not_numbers_is_refused(lenets: Path, tmp_path: Path, capsys) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    (tmp_path / "run").mkdir()
    for name in ("config.toml", "input.json"):
        (tmp_path / "run" / name).write_bytes((lenets / name).read_bytes())
    with safe_open(lenets / "last.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        tensors["backbone.features.bias"].fill_(torch.nan)
        # a run that diverged, and no damaged file: the checksums of the finite numbers are left out
        metadata = {name: text for name, text in file.metadata().items() if not name.startswith("checksum")}
    save_file(tensors, tmp_path / "run" / "last.safetensors", metadata)
    assert cones("export", tmp_path / "run", "--out", tmp_path / "out", *FAR) == 2
    assert "embeddings[0] is not finite" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
