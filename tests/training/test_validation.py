"""Validation while training: its figures, the best epoch, resumed runs, sets that do not fit."""

import io
import json
import logging
import pickle
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cones.cli.app import main
from cones.data import DataError
from cones.embedding import embed, load_backbone
from cones.evaluation import evaluate, pair_scores, retrieval, verification
from cones.plots._text import percent
from cones.plots.runs._run import read_finished_run
from cones.plots.runs._table import headline
from cones.protocols import decode_pictures
from cones.training import Run, TrainingError, fit, write_results
from cones.training import _read_validation as reading
from tests.tiny_run import leave

FAR = (1e-3,)


@pytest.fixture(scope="module")
def pictures() -> Any:
    """8x8 pictures (160, 8, 8) of 8 subjects, 20 each: a pattern of each subject, under much noise."""
    random = np.random.default_rng(0)
    patterns = random.integers(0, 256, (8, 8, 8))
    noise = random.integers(0, 256, (160, 8, 8))
    return ((np.repeat(patterns, 20, axis=0) + 2 * noise) // 3).astype(np.uint8)


@pytest.fixture
def run(pictures: Any, tmp_path: Path) -> Run:
    """A run on them that takes a fraction of a second."""
    np.savez(tmp_path / "data.npz", images=pictures, labels=np.repeat(np.arange(8), 20))
    return Run(
        data=f"npz:{tmp_path / 'data.npz'}", backbone="lsoftmax-net", feature_dim=4, width=0.05, epochs=3,
        batch_size=40, learning_rate=0.05, log_every=2, tensorboard=False, threads=1, device="cpu",
    )  # fmt: skip


def encoded(picture: Any) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="png")
    return file.getvalue()


def pairs_of(count: int) -> list[tuple[int, int]]:
    """Pairs of neighbours, which are mostly genuine, and of distant pictures."""
    return [(n, n + 1) if n % 2 else (n, (n + 20 * (1 + n % 7)) % 160) for n in range(count)]


def write_bin(path: Path, pictures: Any, pairs: Sequence[tuple[int, int]]) -> str:
    """An insightface file of those pairs."""
    images = [encoded(pictures[row]) for pair in pairs for row in pair]
    path.write_bytes(pickle.dumps((images, [a // 20 == b // 20 for a, b in pairs])))
    return str(path)


def write_list(folder: Path, pictures: Any, pairs: Sequence[tuple[int, int]], form: str) -> Path:
    """A list of those pairs, and the pictures as files beside it."""
    names = [f"S{row // 20}/S{row // 20}_{row % 20 + 1:04d}.png" for row in range(160)]
    for name, picture in zip(names, pictures, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(picture))
    if form == "csv":
        lines = ["a,b,same", *(f"{names[a]},{names[b]},{int(a // 20 == b // 20)}" for a, b in pairs)]
    else:
        genuine = [f"S{a // 20} {a % 20 + 1} {b % 20 + 1}" for a, b in pairs if a // 20 == b // 20]
        others = [f"S{a // 20} {a % 20 + 1} S{b // 20} {b % 20 + 1}" for a, b in pairs if a // 20 != b // 20]
        size = min(len(genuine), len(others))
        lines = [f"1 {size}", *genuine[:size], *others[:size]]
    path = folder / ("pairs.csv" if form == "csv" else "pairs.txt")
    path.write_text("\n".join(lines) + "\n")
    return path


def validations(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "validation"]


def test_a_split_by_identity_is_validated_on_its_test_side_as_it_is_evaluated(run, tmp_path):
    folder = tmp_path / "run"
    lines = list(fit(replace(run, split="identity", test_fraction=0.5), folder))
    assert [line["kind"] for line in lines if line["kind"] != "train"] == ["validation", "test"] * 3
    last = validations(folder)[-1]

    summary = write_results(folder)
    x, y = (load_file(folder / "features.safetensors")[f"test_{name}"] for name in ("features", "labels"))
    expected = evaluate(x, y, FAR, resamples=0)
    assert (last["tar"], last["eer"]) == (expected.verification.tar[0].tar, expected.verification.eer)
    assert last["rank_1"] == retrieval(x, y, recall_at=(1,), restarts=0, resamples=0).recall[0]
    assert last["best_by"] == "tar"

    best = max(validations(folder), key=lambda line: line["tar"])
    assert summary["validation"]["best_epoch"] == best["epoch"]
    assert summary["validation"]["best"]["eer"] == best["eer"]
    assert summary["validation"]["last"]["tar"] == last["tar"]
    finished = read_finished_run(folder)
    assert ("validation EER", percent(last["eer"])) in headline(finished)


def test_best_is_the_epoch_of_the_lowest_equal_error_rate_where_pairs_are_few(run, pictures, tmp_path, caplog):
    pairs = pairs_of(60)
    what = write_bin(tmp_path / "few.bin", pictures, pairs)
    with caplog.at_level(logging.INFO, "cones"):
        list(fit(replace(run, validate=what, epochs=4), tmp_path / "run"))
    said = [record.getMessage() for record in caplog.records if "validation" in record.getMessage()]
    assert len(said) == 1
    assert "few.bin, 120 samples" in said[0]
    assert "chosen by EER" in said[0]
    assert "TAR at FAR 0.001 is n/a (" in said[0]
    assert "impostor pairs count rates of" in said[0]
    assert "rank 1 is n/a (listed pairs are verified, not searched)" in said[0]

    lines = validations(tmp_path / "run")
    assert {(line["tar"], line["rank_1"], line["best_by"]) for line in lines} == {(None, None, "eer")}
    model = load_backbone(tmp_path / "run", "best")
    assert model.position.best_epoch == model.position.epoch == 1 + int(np.argmin([line["eer"] for line in lines]))
    images = torch.from_numpy(pictures)[:, None]
    scores = pair_scores(embed(model, images[[row for pair in pairs for row in pair]]), torch.arange(120).view(60, 2))
    same = torch.tensor([a // 20 == b // 20 for a, b in pairs])
    assert verification(scores, same).eer == min(line["eer"] for line in lines)


@pytest.mark.parametrize("form", ["csv", "lfw"])
def test_pairs_with_pictures_are_validated_as_those_of_a_bin_file(run, pictures, tmp_path, form):
    pairs = pairs_of(60)
    path = write_list(tmp_path / "faces", pictures, pairs, form)
    moved = shutil.move(path, tmp_path / path.name)
    runs = {
        "beside": replace(run, validate=str(shutil.copy(moved, path))),
        "apart": replace(run, validate=str(moved), validate_pictures=str(tmp_path / "faces")),
    }
    if form == "csv":
        runs["bin"] = replace(run, validate=write_bin(tmp_path / "few.bin", pictures, pairs))
    figures = []
    for name, one in runs.items():
        list(fit(replace(one, epochs=1), tmp_path / name))
        figures.append(validations(tmp_path / name)[0]["eer"])
    assert max(figures) - min(figures) < 1e-12
    assert 0 < figures[0] < 1


def test_any_data_set_is_validated_stretched_and_in_the_channels_of_the_run(run, pictures, tmp_path):
    colour = np.repeat(np.repeat(np.repeat(pictures, 2, axis=1), 2, axis=2)[..., None], 3, axis=3)
    np.savez(tmp_path / "large.npz", images=colour, labels=np.repeat(np.arange(8), 20))
    list(fit(replace(run, epochs=1, validate=run.data), tmp_path / "same"))
    list(fit(replace(run, epochs=1, validate=str(tmp_path / "large.npz")), tmp_path / "large"))
    (same,), (large,) = validations(tmp_path / "same"), validations(tmp_path / "large")
    assert same["best_by"] == large["best_by"] == "tar"
    assert abs(same["eer"] - large["eer"]) < 0.02


def test_validate_every_and_the_last_epoch(run, tmp_path):
    list(fit(replace(run, epochs=5, validate=run.data, validate_every=2), tmp_path / "run"))
    lines = validations(tmp_path / "run")
    assert [line["epoch"] for line in lines] == [2, 4, 5]
    best, position = max(lines, key=lambda line: line["tar"]), load_backbone(tmp_path / "run", "best").position
    assert (position.epoch, position.best_epoch, position.best_accuracy) == (best["epoch"], best["epoch"], best["tar"])


def test_none_keeps_the_last_epoch_as_the_best_of_a_split_by_identity(run, tmp_path):
    run = replace(run, split="identity", test_fraction=0.5, validate="none")
    lines = list(fit(run, tmp_path / "run"))
    assert {line["kind"] for line in lines} == {"train", "test"}
    assert load_backbone(tmp_path / "run", "best").position.epoch == 3
    assert write_results(tmp_path / "run")["validation"] is None


def test_a_test_side_too_small_for_any_figure_is_told_and_passed_over(run, pictures, tmp_path, caplog):
    np.savez(tmp_path / "few.npz", images=pictures[::16], labels=np.arange(10))
    with caplog.at_level(logging.INFO, "cones"):
        list(fit(replace(run, data=f"npz:{tmp_path / 'few.npz'}", split="identity"), tmp_path / "run"))
    assert any("EER is n/a (0 genuine pairs are too few" in record.getMessage() for record in caplog.records)
    assert load_backbone(tmp_path / "run", "best").position.epoch == 3


def test_a_resumed_run_keeps_the_best_and_ends_bit_by_bit_as_the_undisturbed_one(run, tmp_path):
    run = replace(run, epochs=4, split="identity", test_fraction=0.5, save_every=3)
    list(fit(run, tmp_path / "whole"))
    for after in (3, 4, 2):
        leave(fit(run, tmp_path / "run", resume=True), after=after)
    list(fit(run, tmp_path / "run", resume=True))
    for name in ("last", "best"):
        ours, theirs = (load_file(tmp_path / folder / f"{name}.safetensors") for folder in ("run", "whole"))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
        assert ours.keys() == theirs.keys()
    assert validations(tmp_path / "run") == validations(tmp_path / "whole")

    list(fit(replace(run, validate="none"), tmp_path / "none"))
    without, validated = (load_file(tmp_path / folder / "last.safetensors") for folder in ("none", "whole"))
    assert all(torch.equal(without[key], validated[key]) for key in validated)


def test_a_resumed_run_reads_its_set_once_and_notices_a_change(run, pictures, tmp_path, monkeypatch):
    what = write_bin(tmp_path / "pairs.bin", pictures, pairs_of(60))
    run, read = replace(run, validate=what), Mock(side_effect=decode_pictures)
    monkeypatch.setattr(reading, "decode_pictures", read)
    leave(fit(run, tmp_path / "run"), after=5)
    list(fit(run, tmp_path / "run", resume=True))
    assert read.call_count == 2  # by the run and by the one that went on
    write_bin(tmp_path / "pairs.bin", pictures, [*pairs_of(59), (0, 1)])
    with pytest.raises(
        TrainingError, match=r"the validation set pairs.bin of .* has changed: its .* differ.*Put it back"
    ):
        next(fit(replace(run, epochs=4), tmp_path / "run", resume=True))
    with pytest.raises(TrainingError, match=r"holds a run with validate '.*pairs.bin', not 'none'"):
        next(fit(replace(run, validate="none"), tmp_path / "run", resume=True))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"validate": "nowhere.bin"}, r"validate is 'nowhere.bin', but there is no file nowhere.bin"),
        ({"validate": "nowhere.txt"}, r"validate is 'nowhere.txt', but there is no file nowhere.txt"),
        ({"validate": "faces"}, r"validate is 'faces', but spec is 'faces', which is not a known data set"),
        ({"validate": "split"}, r"validate is 'split', but the test side of .* has the classes of its train side"),
        ({"validate": "HERE/few.bin"}, r"validate is .*few.bin', which supports no figure: .* EER is n/a \(1 genuine"),
        (
            {"validate": "HERE/vectors.npz"},
            r"samples have the shape \(5,\), but the run is trained on \(1, 8, 8\): give",
        ),
        ({"validate": "HERE/pairs.csv"}, r"there is no file .*; pass validate_pictures=FOLDER"),
        ({"validate": "none", "validate_pictures": "x"}, r"validate_pictures is 'x', but validate is 'none'"),
        ({"validate_every": -1}, r"validate_every is -1, expected at least 0"),
    ],
)
def test_a_set_that_does_not_fit_is_refused_before_the_first_step(run, pictures, tmp_path, fields, message):
    write_bin(tmp_path / "few.bin", pictures, [(0, 1), (0, 21)])
    np.savez(tmp_path / "vectors.npz", features=np.zeros((9, 5)), labels=np.arange(9) // 3)
    (tmp_path / "pairs.csv").write_text("a,b,same\na.png,b.png,1\n")
    fields = {
        key: value.replace("HERE", str(tmp_path)) if isinstance(value, str) else value for key, value in fields.items()
    }
    with pytest.raises((ValueError, DataError), match=message):
        next(fit(replace(run, **fields), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_command_shows_the_figures_and_names_the_option_at_fault(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("cones.cli.train.report_if_possible", lambda folder, trust: "report.html")
    options = [
        "train", "--data", run.data, "--backbone", "lsoftmax-net", "--width", "0.05", "--feature-dim", "4",
        "--epochs", "1", "--threads", "1", "--no-tensorboard", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    with pytest.raises(SystemExit, match="2"):
        main([*options, "--validate", "nowhere.bin"])
    assert "cones: --validate is 'nowhere.bin', but there is no file nowhere.bin" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main([*options, "--validate", run.data])
    out, err = capsys.readouterr()
    assert "test acc" in err
    assert "val TAR" in err
    assert "in epoch 1" in out
