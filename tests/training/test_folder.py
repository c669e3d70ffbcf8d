"""The folder of a run: existing files are not overwritten, and moving or removing it loses no training."""

import json
import platform
import re
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import cones
from cones.common.atomic_files import write_text
from cones.engine import matmul as products
from cones.open_set import check_evaluation_folder
from cones.plots import write_index
from cones.training import TrainingError, compare, fit, read_run, write_run
from tests.tiny_run import leave


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "resume"),  # a configuration alone may be resumed: it says which run is meant
    [
        *((name, False) for name in ("report.html", "config.toml", "input.json", "notes.txt", ".git")),
        *((name, True) for name in ("report.html", "input.json", "notes.txt", ".git")),
    ],
)
def test_a_folder_with_other_files_is_refused(small, tmp_path, name, resume):
    (tmp_path / name).write_text("epochs = 3\n")
    before = tree(tmp_path)
    with pytest.raises(TrainingError, match=rf"holds files that are not a run's \({re.escape(name)}\): write to a new"):
        next(fit(small, tmp_path, resume=resume))
    with pytest.raises(TrainingError, match="holds files that are not a run's"):
        next(compare(small, ["Softmax"], tmp_path))
    assert tree(tmp_path) == before


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(small, tmp_path):
    leave(fit(replace(small, log_every=1), tmp_path), after=1)
    (tmp_path / "notes.txt").write_text("a person's own")
    assert list(fit(small, tmp_path))[-1]["epoch"] == small.epochs
    assert (tmp_path / "notes.txt").exists()


def test_a_comparison_goes_on_in_its_own_folder(small, tmp_path):
    run = replace(small, epochs=1)
    leave(compare(run, ["Softmax", "NormFace(scale=8.0)"], tmp_path), after=1)
    assert not (tmp_path / "comparison.json").exists()
    list(compare(run, ["Softmax", "NormFace(scale=8.0)"], tmp_path))
    assert {line["kind"] for _, line in compare(run, ["Softmax", "NormFace(scale=8.0)"], tmp_path)} == {"end"}


def test_other_commands_do_not_replace_what_is_not_theirs(tmp_path):
    (tmp_path / "report.html").write_text("a run's")
    with pytest.raises(FileExistsError, match=r"report.html does not belong to an evaluation: write to another folder"):
        check_evaluation_folder(tmp_path)
    (tmp_path / "evaluation.json").write_text("{}")
    check_evaluation_folder(tmp_path)
    (tmp_path / "README.md").write_text("# A project")
    with pytest.raises(FileExistsError, match=r"README.md is not a list of losses"):
        write_index(tmp_path)
    assert write_index(tmp_path / "losses") == write_index(tmp_path / "losses")


@pytest.mark.parametrize("below", ["", "below", "below/twice"])
def test_a_file_in_place_of_the_folder_is_said(small, tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrainingError, match=r"cannot write .*file is a file, expected a folder\): write to another"):
        next(fit(small, tmp_path / "file" / below))
    with pytest.raises(OSError, match=r"cannot write .*x.txt \(.* is a file or below one, expected a folder\)"):
        write_text(tmp_path / "file" / below / "x.txt", "")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_cannot_be_written_to_is_said(small, tmp_path, monkeypatch):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    with pytest.raises(TrainingError, match=r"cannot write .*run \(Read-only file system\): write to another place"):
        next(fit(small, tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_the_system_refuses_is_said(small, tmp_path):
    with pytest.raises(TrainingError, match=r"cannot write .* \(File name too long\): write to another"):
        next(fit(small, tmp_path / ("x" * 300)))


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_a_folder_that_goes_away_costs_no_training(small, tmp_path, how):
    run, out = replace(small, log_every=1), tmp_path / "runs" / "one"
    lines = fit(run, out)
    for _ in range(3):
        next(lines)
    shutil.rmtree(out) if how == "removed" else out.rename(tmp_path / "elsewhere")
    if how == "replaced":
        out.mkdir()
    with pytest.raises(TrainingError, match=r"was moved or removed while the run was training; its checkpoint") as told:
        next(lines)
    place = next((tmp_path / "runs").glob("one-rescued-*"))
    assert str(told.value).endswith(f"its checkpoint went to {place}: resume with cones train --resume {place}")
    assert read_run(place / "config.toml").epochs == run.epochs
    list(fit(run, place, resume=True))
    list(fit(run, tmp_path / "whole"))
    rescued, whole = (load_file(folder / "last.safetensors") for folder in (place, tmp_path / "whole"))
    assert all(torch.equal(rescued[name], whole[name]) for name in whole)
    steps = [json.loads(line)["step"] for line in (place / "metrics.jsonl").read_text().splitlines()]
    assert steps == [
        json.loads(line)["step"] for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    ]


def test_a_folder_that_goes_away_with_its_events_costs_no_training(small, tmp_path):
    run, out = replace(small, log_every=1, tensorboard=True), tmp_path / "runs" / "one"
    lines = fit(run, out)
    next(lines)  # long before the first checkpoint
    shutil.rmtree(out)
    with pytest.raises(TrainingError, match=r"was moved or removed .*; its checkpoint went to .*one-rescued-"):
        list(lines)
    place = next((tmp_path / "runs").glob("one-rescued-*"))
    assert list(fit(run, place, resume=True))[-1]["epoch"] == run.epochs


@pytest.mark.parametrize("name", ["figures", "tensorboard"])
def test_folders_of_a_run_that_are_links_are_refused(small, tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    list(fit(replace(small, epochs=1), tmp_path / "run"))
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=rf"{name} is a link, expected a folder in its place: remove the link"):
        next(fit(replace(small, tensorboard=True), tmp_path / "run", resume=True))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_runs_of_a_comparison_that_are_links_are_refused(small, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "all" / "softmax").mkdir(parents=True)
    (tmp_path / "all" / "softmax").rmdir()
    (tmp_path / "all" / "softmax").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="softmax is a link"):
        next(compare(small, ["Softmax"], tmp_path / "all"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_error_of_several_losses_is_said_once(small, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cones.training._side_by_side.fit", full)
    with pytest.raises(TrainingError, match=r"2 of 2 losses failed: Softmax .*, NormFace.*: .*No space left") as raised:
        list(compare(small, ["Softmax", "NormFace"], tmp_path / "all"))
    assert str(raised.value).count("No space left") == 1


def test_no_other_place_is_said(small, tmp_path, monkeypatch):
    lines = fit(replace(small, log_every=1), tmp_path / "run")
    next(lines)
    shutil.rmtree(tmp_path / "run")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(TrainingError, match=r"its checkpoint could not be written to .* either"):
        next(lines)


def test_a_stop_without_a_checkpoint_says_so(small, tmp_path):
    run = replace(small, learning_rate=1e30, clip_norm=0.0, log_every=1)
    with pytest.raises(TrainingError, match=r"no checkpoint had been written yet \(see save_every\)"):
        list(fit(run, tmp_path / "none"))
    assert not (tmp_path / "none" / "last.safetensors").exists()
    list(fit(replace(small, epochs=1), tmp_path / "some"))
    write_run(tmp_path / "some" / "config.toml", replace(run, epochs=1))
    with (
        pytest.warns(UserWarning, match="the run goes to epoch 3 instead of 1"),
        pytest.raises(TrainingError, match=r"last.safetensors holds the last good state"),
    ):
        list(fit(run, tmp_path / "some", resume=True))


def test_versions_are_kept_for_every_part_of_a_run(small, tmp_path):
    path = tmp_path / "versions.json"
    leave(fit(replace(small, save_every=1), tmp_path), after=2)
    now = {"cones": cones.__version__, "torch": torch.__version__, "python": platform.python_version()}
    now["kernel"] = products.kernel()
    assert json.loads(path.read_text()) == [{"from_step": 0, **now}]
    path.write_text(json.dumps([{"from_step": 0, **now, "torch": "1.0"}]))
    list(fit(replace(small, save_every=1), tmp_path, resume=True))
    entries = json.loads(path.read_text())
    assert [entry["torch"] for entry in entries] == ["1.0", torch.__version__]
    assert entries[1]["from_step"] > 0


def test_a_run_goes_on_with_the_kernel_that_it_began_with(small, tmp_path, monkeypatch):
    monkeypatch.setattr(products, "_chosen", "blas")
    list(fit(replace(small, epochs=1), tmp_path))
    assert json.loads((tmp_path / "versions.json").read_text())[-1]["kernel"] == "blas"
    monkeypatch.setattr(products, "_chosen", "onednn")
    list(fit(replace(small, epochs=1), tmp_path, resume=True))
    assert products.kernel() == "blas"
