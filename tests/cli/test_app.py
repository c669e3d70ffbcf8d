"""The command line as a user sees it: its results, and one clear line per error."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from cones.cli.app import main
from cones.training import Run, fit

FAST = ["--width", "0.125", "--epochs", "1", "--precision", "float32", "--no-tensorboard", "--threads", "1"]


def run(*arguments):
    """Exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture
def no_figures(monkeypatch):
    """Reports without their figures, which take most of the time of a small run."""

    def report(folder, *_, **__):
        (folder / "report.html").write_text("a report")
        return folder / "report.html"

    monkeypatch.setattr("cones.cli.report.write_report", report)


@pytest.fixture
def pictures(tmp_path):
    """folder:PATH of 2 classes of 6 pictures."""
    random = np.random.default_rng(0)
    for name, base in (("dark", 20), ("light", 150)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(6):
            pixels = random.integers(base, base + 80, (16, 16)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{index}.png")
    return tmp_path / "pictures"


def test_train_compare_plot_end_to_end(pictures, tmp_path, capsys):
    data = ["--data", f"folder:{pictures}", *FAST]
    assert run("train", *data, "--out", tmp_path / "one", "--loss", "ArcFace(margin=0.1, scale=8)") == 0
    assert (tmp_path / "one" / "report.html").stat().st_size > 10_000
    assert run("plot", tmp_path / "one") == 0
    both = ["--losses", "Softmax", "Softmax + 0.01 * CenterLoss", "--jobs", "1", "--out", tmp_path / "two"]
    assert run("compare", *data, *both) == 0
    assert (tmp_path / "two" / "report.html").exists()
    assert (tmp_path / "two" / "softmax-centerloss" / "report.html").exists()
    before = (tmp_path / "two" / "softmax" / "last.safetensors").stat().st_mtime_ns
    drawn = (tmp_path / "two" / "report.html").stat().st_mtime_ns
    first = capsys.readouterr()
    assert "starting 2 runs of 1 epoch, one at a time" in first.err
    assert "drawing figures ...  0 of 2 reports" in first.err
    assert "nothing has changed" not in first.out
    assert run("compare", *data, *both) == 0  # finished: nothing is trained or drawn again
    assert (tmp_path / "two" / "softmax" / "last.safetensors").stat().st_mtime_ns == before
    assert (tmp_path / "two" / "report.html").stat().st_mtime_ns == drawn
    captured = capsys.readouterr()
    assert "nothing has changed since the figures were drawn" in captured.out
    assert "drawing" not in captured.err
    assert "softmax-centerloss" in captured.out
    assert str(tmp_path / "two" / "report.html") in captured.out


@pytest.mark.usefixtures("no_figures")
def test_config_in_and_out(pictures, tmp_path):
    (tmp_path / "in.toml").write_text(f'data = "folder:{pictures}"\nepochs = 2\nwidth = 0.125\ntensorboard = false\n')
    out = tmp_path / "run"
    assert run("train", "--config", tmp_path / "in.toml", "--epochs", "1", "--out", out) == 0
    text = (out / "config.toml").read_text()
    assert "epochs = 1" in text
    assert f'data = "folder:{pictures}"' in text
    assert 'loss = "Softmax(scale=1.0)"' in text
    assert run("train", "--config", out / "config.toml", "--out", tmp_path / "again") == 0
    assert (tmp_path / "again" / "config.toml").read_text() == text


@pytest.mark.usefixtures("no_figures")
def test_resume_by_folder_alone(pictures, tmp_path, capsys):
    assert run("train", "--data", f"folder:{pictures}", *FAST, "--out", tmp_path / "run") == 0
    assert run("train", "--resume", tmp_path / "run") == 0
    assert "report.html" in capsys.readouterr().out


def trained(pictures, folder):
    """A run over the pictures, without its report."""
    settings = Run(data=f"folder:{pictures}", feature_dim=2, width=0.125, epochs=1, threads=1, tensorboard=False)
    list(fit(settings, folder))


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("no_figures")
def test_a_run_is_extended_by_the_command_that_resumes_it(pictures, tmp_path, capsys):
    trained(pictures, tmp_path / "run")
    assert run("train", "--resume", tmp_path / "run", "--epochs", "3") == 0
    assert "warning: the run goes to epoch 3 instead of 1: its cosine learning rate now" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["epoch"] == 3


def test_data_that_changed_are_refused_by_every_command(pictures, tmp_path, capsys):
    trained(pictures, tmp_path / "run")
    (pictures / "dark").rename(pictures / "murky")
    evaluation = tmp_path / "evaluation"
    for command in (
        ["train", "--resume", tmp_path / "run", "--epochs", "3"],
        ["evaluate", tmp_path / "run", "--out", evaluation],
        ["embed", f"folder:{pictures}", "--model", tmp_path / "run", "--side", "test", "--out", tmp_path / "x.npz"],
        ["plot", tmp_path / "run"],
    ):
        assert run(*command) == 1
        error = capsys.readouterr().err
        assert "have changed: class 'dark' is missing; class 'murky' is new" in error
        assert len(error.strip().splitlines()) == 1
    assert not evaluation.exists()


def test_losses_lists_every_loss(capsys):
    import cones.feature_losses
    import cones.margins

    assert run("losses") == 0
    out = capsys.readouterr().out
    for name in [*cones.margins.known(), *cones.feature_losses.__all__]:
        assert f"\n{name}(" in out
    assert out.count("arXiv") >= len(cones.margins.known())


def test_one_loss_in_full_and_as_a_page(tmp_path, capsys):
    assert run("losses", "ArcFace") == 0
    out = capsys.readouterr().out
    assert out.startswith("ArcFace(margin=0.5, scale=64.0, tail='smooth'")
    for title in ("When to use it", "Cost", "Reference"):
        assert f"\n  {title}\n      " in out
    assert run("losses", "RingLoss", "--out", tmp_path / "pages") == 0
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["RingLoss.md", "RingLoss.svg"]
    assert run("losses", "arcfac") == 2
    assert "'arcfac' is not a loss (did you mean ArcFace?)" in capsys.readouterr().err


def test_suggest_prints_the_bounds_and_what_to_take(capsys):
    assert run("suggest", "--classes", 10, "--dim", 2) == 0
    out = capsys.readouterr().out
    assert "Use scale 16; CosFace margin 0.064; ArcFace margin 0.21 radians" in out
    assert "Trust none of the scales in the plane" in out
    assert run("suggest", "--classes", 10, "--dim", 2, "--probability", 0.99) == 0
    assert "Use scale 28;" in capsys.readouterr().out
    assert run("suggest", "--classes", 1, "--dim", 2) == 2
    assert "--classes is 1, expected a whole number of at least 2" in capsys.readouterr().err
    assert run("suggest", "--classes", 10, "--dim", 2, "--probability", 2) == 2
    assert "--probability is 2.0, expected a number between 0 and 1" in capsys.readouterr().err


def test_data_lists_and_describes(pictures, capsys):
    assert run("data") == 0
    assert run("data", f"folder:{pictures}") == 0
    out = capsys.readouterr().out
    for name in ("mnist5k", "mnist", "fashion-mnist", "faces-orl", "glyphs-jis", "glyphs-jis-fonts"):
        assert name in out
    assert "train: 10 samples of 1x16x16, 2 classes (split: sample)" in out


def test_curves_of_margins(tmp_path):
    assert run("plot", "--margins", "ArcFace", "LSoftmax(margin=3)", "--out", tmp_path / "curves") == 0
    assert (tmp_path / "curves.svg").exists()
    assert (tmp_path / "curves.png").exists()


@pytest.mark.parametrize("command", [[], ["train"], ["compare"], ["plot"], ["losses"], ["data"], ["suggest"]])
def test_help(command, capsys):
    assert run(*command, "--help") == 0
    out = capsys.readouterr().out
    if command in (["train"], ["compare"]):
        for option in ("--data", "--feature-dim", "--learning-rate", "--seed", "--config", "--out"):
            assert option in out
        assert f"(default: {64 if command == ['train'] else 32})" in out


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("cones 0.")


# Bad usage and bad input exit with 2, other failures with 1; each says one line and leaves everything as it was.


def npz(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


def bad_nan(folder):
    images = np.random.default_rng(0).random((8, 12, 12)).astype(np.float32)
    images[3, 0, 0] = np.nan
    return ["train", "--data", npz(folder / "nan.npz", images=images, labels=np.arange(8) % 2)]


def bad_labels(folder):
    images = np.zeros((8, 12, 12), np.uint8)
    return ["train", "--data", npz(folder / "labels.npz", images=images, labels=np.arange(8) / 3)]


def bad_label_count(folder):
    images = np.zeros((8, 12, 12), np.uint8)
    return ["train", "--data", npz(folder / "count.npz", images=images, labels=np.arange(7))]


def bad_dtype(folder):
    return ["train", "--data", npz(folder / "text.npz", images=np.full((8, 2, 2), "a"), labels=np.arange(8) % 2)]


def bad_empty_folder(folder):
    (folder / "empty").mkdir()
    return ["train", "--data", f"folder:{folder / 'empty'}"]


def bad_one_class(folder):
    (folder / "one" / "only").mkdir(parents=True)
    Image.new("L", (12, 12)).save(folder / "one" / "only" / "a.png")
    return ["train", "--data", f"folder:{folder / 'one'}"]


def bad_picture(folder):
    for name in ("a", "b"):
        (folder / "broken" / name).mkdir(parents=True)
        (folder / "broken" / name / "x.png").write_bytes(b"not a picture")
    return ["train", "--data", f"folder:{folder / 'broken'}"]


def bad_project_folder(folder):
    (folder / "config.toml").write_text("title = 'mine'\n")
    (folder / "report.html").write_text("mine")
    return ["train", "--out", "."]


def bad_file_as_folder(folder):
    (folder / "file").write_text("mine")
    return ["train", "--out", folder / "file" / "run"]


BAD = {
    "a project's folder": (bad_project_folder, 1, "holds files that are not a run's (config.toml, report.html)"),
    "a file as folder": (bad_file_as_folder, 1, "file is a file, expected a folder): write to another place (--out)"),
    "unknown command": (lambda _: ["trian"], 2, r"'trian' is not a command (did you mean train?)"),
    "unknown loss": (lambda _: ["train", "--loss", "ArcFase"], 2, "'ArcFase' is not a loss (did you mean ArcFace?)"),
    "unknown field": (lambda _: ["train", "--loss", "ArcFace(m=1)"], 2, "ArcFace has no field 'm'"),
    "unknown data": (lambda _: ["train", "--data", "mnist5"], 2, "mnist5k"),
    "unknown backbone": (lambda _: ["train", "--backbone", "lenet"], 2, "did you mean lenets?"),
    "wrong number": (lambda _: ["train", "--epochs", "0"], 2, "epochs is 0, expected at least 1"),
    "word for a number": (lambda _: ["compare", "--jobs", "x"], 2, "--jobs is 'x', expected a whole number"),
    "word among numbers": (lambda _: ["evaluate", "x", "--far", "0.1", "y"], 2, "--far is 'y', expected numbers"),
    "no such choice": (lambda _: ["train", "--precision=int8"], 2, "--precision is 'int8', expected one of float32, b"),
    "no value": (lambda _: ["train", "--epochs", "--flip"], 2, "--epochs has no value, expected a whole number"),
    "one of two": (lambda _: ["evaluate", "x", "--costs", "1"], 2, "--costs has 1 values, expected 2 numbers"),
    "options left out": (lambda _: ["plan", "--classes", "4"], 2, "--dim and --batch: not given, expected a value"),
    "fields of a net": (lambda _: ["train", "--backbone", "resnet(a=1)"], 2, "resnet takes no fields here: write res"),
    "missing config": (lambda f: ["train", "--config", f / "no.toml"], 2, "there is no file"),
    "missing run": (lambda f: ["train", "--resume", f / "no"], 2, "there is no file"),
    "missing folder": (lambda f: ["train", "--data", f"folder:{f}/no"], 2, "no"),
    "missing file": (lambda f: ["train", "--data", f"npz:{f}/no.npz"], 2, "no.npz"),
    "nothing to plot": (lambda _: ["plot"], 2, "plot needs the folder of a run"),
    "no run to plot": (lambda f: ["plot", f], 2, "summary.json"),
    "two of the same": (lambda _: ["compare", "--losses", "Softmax", "Softmax"], 2, "'Softmax' is given twice"),
    "NaN images": (bad_nan, 2, "image 3 holds nan"),
    "wrong labels": (bad_labels, 2, "labels"),
    "too few labels": (bad_label_count, 2, "labels"),
    "wrong dtype": (bad_dtype, 2, "images"),
    "empty folder": (bad_empty_folder, 2, "empty"),
    "one class": (bad_one_class, 2, "class"),
    "broken picture": (bad_picture, 2, "x.png"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_one_clear_line(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, code, text = BAD[name]
    arguments = arguments(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*"))
    assert run(*arguments) == code
    error = capsys.readouterr().err
    assert text in error
    assert len(error.strip().splitlines()) == 1, error
    assert error.startswith("cones: ")
    assert "Traceback" not in error
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_unknown_option_is_bad_usage(capsys):
    assert run("train", "--epoch", "3") == 2
    assert "--epochs" in capsys.readouterr().err


def test_traceback_on_request(capsys):
    assert run("train", "--data", "nothing", "--traceback") == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("no_figures")
def test_a_margin_in_degrees_is_asked_about(pictures, tmp_path, capsys):
    data = ["--data", f"folder:{pictures}", *FAST, "--out", tmp_path / "run"]
    assert run("train", *data, "--loss", "ArcFace(margin=28.6, scale=8)") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert lines == [
        "cones: warning: ArcFace: margin is 28.6 radians, past pi / 2: angles are radians; 28.6 degrees would be 0.4992"
    ]


@pytest.mark.usefixtures("no_figures")
def test_a_corrupt_checkpoint_is_named_and_kept(pictures, tmp_path, capsys):
    assert run("train", "--data", f"folder:{pictures}", *FAST, "--out", tmp_path / "run") == 0
    (tmp_path / "run" / "last.safetensors").write_bytes(b"junk")
    capsys.readouterr()
    assert run("train", "--resume", tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert "last.safetensors is broken" in error
    assert len(error.strip().splitlines()) == 1
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == b"junk"


@pytest.mark.usefixtures("no_figures")
def test_a_run_is_not_overwritten(pictures, tmp_path, capsys):
    data = ["train", "--data", f"folder:{pictures}", *FAST, "--out", tmp_path / "run"]
    assert run(*data) == 0
    capsys.readouterr()
    assert run(*data) == 1
    assert "already holds a run" in capsys.readouterr().err


def test_ctrl_c_leaves_a_run_that_goes_on(pictures, tmp_path):
    arguments = [sys.executable, "-m", "cones", "train", "--data", f"folder:{pictures}", *FAST, "--log-every", "1"]
    arguments += ["--out", str(tmp_path / "run"), "--epochs", "3000"]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size > 2000) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=60)
    assert child.returncode == 130, error
    assert "resume with: cones train --resume" in out
    assert "Traceback" not in error
    stopped_at = json.loads((tmp_path / "run" / "summary.json").read_text())["step"]
    assert stopped_at == json.loads(metrics.read_text().splitlines()[-1])["step"]
