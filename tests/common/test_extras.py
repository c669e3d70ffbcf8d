"""Missing optional packages: one line names the extra that provides them, before any work."""

import os
import subprocess
import sys

import numpy as np
import pytest

from cones.cli.app import main
from cones.common import interrupts
from cones.common.extras import MissingExtraError, require
from cones.open_set import EvaluationOptions, evaluate_embeddings, write_evaluation

TRAIN = ("numpy", "PIL", "rich", "safetensors", "tomli_w", "tyro")
BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
"""


def python(blocked, code):
    return subprocess.run(
        [sys.executable, "-c", BLOCK.format(blocked=set(blocked)) + code], capture_output=True, text=True, check=False
    )


def test_torch_alone_tells_its_version_and_what_the_rest_needs():
    code = """
import importlib, runpy
import cones
sys.argv = ["cones", "--version"]
runpy.run_module("cones", run_name="__main__")
for part in ("cli.app", "training", "data", "plots", "protocols", "embedding", "export", "open_set"):
    try:
        importlib.import_module(f"cones.{part}")
    except ModuleNotFoundError as error:
        print(error)
sys.argv = ["cones", "train"]
runpy.run_module("cones", run_name="__main__")
"""
    done = python((*TRAIN, "matplotlib", "jinja2"), code)
    version, *lines = done.stdout.splitlines()
    assert version == f"cones {__import__('cones').__version__}"
    assert len(lines) == 8
    assert all(" needs " in line and "pip install 'cones[" in line for line in lines), lines
    assert done.stderr.endswith(  # PyTorch may warn that there is no NumPy
        "cones: the command line needs rich, tyro, numpy, PIL, safetensors, tomli_w: pip install 'cones[train]'\n"
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_a_module_that_is_set_to_none_counts_as_missing(monkeypatch):
    require("this test", "numpy")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"^this test needs matplotlib: pip install 'cones\[plots\]'$"):
        require("this test", "numpy", "matplotlib")


@pytest.fixture
def arguments(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (16, 12, 12)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(16) % 2)
    options = ["--width", "0.125", "--epochs", "1", "--threads", "1", "--device", "cpu", "--no-tensorboard"]
    return ["train", "--data", f"npz:{tmp_path / 'data.npz'}", *options, "--out", str(tmp_path / "run")]


def test_training_goes_on_without_matplotlib_and_says_that_pictures_are_left_out(
    arguments, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "cones.plots", raising=False)
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
    assert (tmp_path / "run" / "summary.json").exists()
    assert not (tmp_path / "run" / "report.html").exists()
    assert capsys.readouterr().out.splitlines()[-1] == (
        "no figures and no report: cones.plots needs matplotlib: pip install 'cones[plots]', "
        f"then run: cones plot {tmp_path / 'run'}"
    )
    with pytest.raises(SystemExit, match="1"):
        main(["plot", str(tmp_path / "run")])
    assert capsys.readouterr().err == "cones: cones.plots needs matplotlib: pip install 'cones[plots]'\n"


def test_an_evaluation_without_matplotlib_keeps_its_numbers(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "cones.plots", raising=False)
    features = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    np.savez(tmp_path / "faces.npz", features=features, labels=np.arange(20) % 5)
    evaluated = evaluate_embeddings(tmp_path / "faces.npz", EvaluationOptions((0.5,), "cosine", 0, 0.95, 0))
    with pytest.warns(UserWarning, match=r"report.html and its figures are left out: cones.plots needs matplotlib"):
        paths = write_evaluation(tmp_path / "out", evaluated)
    assert [path.name for path in paths] == ["evaluation.json", "evaluation.csv"]
    assert all(path.stat().st_size for path in paths)


def test_a_pipe_that_closes_costs_no_report_and_no_word(arguments, tmp_path, capsys, monkeypatch):
    def report(folder, *_, **__):
        (folder / "report.html").touch()
        return folder / "report.html"

    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr("cones.cli.report.write_report", report)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
    assert (tmp_path / "run" / "report.html").exists()
    assert [line for line in capsys.readouterr().err.splitlines() if not line.startswith("run: epoch")] == []


@pytest.mark.parametrize("module", ["torch", "tyro"])
def test_ctrl_c_while_modules_are_imported_is_quiet(module):
    code = f"""
import os, runpy, signal, sys
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
sys.argv = ["cones", "losses"]
runpy.run_module("cones", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "cones: stopped\n")


@pytest.mark.parametrize(
    ("argv", "orig", "expected"),
    [
        (["/usr/bin/cones", "train"], ["python", "/usr/bin/cones", "train"], True),
        (["-m", "train"], ["python", "-X", "dev", "-m", "cones", "train"], True),
        (["-m", "cones"], ["python", "-m", "pytest", "cones"], False),
        (["mine.py", "-m", "cones"], ["python", "mine.py", "-m", "cones"], False),
        ([], ["python"], False),
    ],
)
def test_only_the_command_is_quiet(monkeypatch, argv, orig, expected):
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.setattr("sys.orig_argv", orig)
    assert interrupts._is_command() is expected


def test_other_programs_keep_their_ctrl_c():
    code = "import signal, cones; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_command_line_still_answers_to_main(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("cones ")
