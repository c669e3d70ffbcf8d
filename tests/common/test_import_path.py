"""Files are data: code that a file names is imported only if the user allows it."""

import json
import pickle
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import cones
import cones.backbones
from cones.cli.app import main
from cones.common.import_path import TrustError
from cones.embedding import load_backbone
from cones.export import read_metadata
from cones.margins import parse
from cones.migrate import read_head, write_head
from cones.open_set import EvaluationOptions, evaluate_run
from cones.plots import write_comparison_report, write_run_report
from cones.plots._page import Section
from cones.training import Run, fit, parse_objective, read_run, write_results
from tests.tiny_run import train

MODULE = """
from dataclasses import dataclass
from pathlib import Path
from subprocess import call
import torch
import cones

Path({marker!r}).write_text("imported")

@dataclass(frozen=True)
class Mine(cones.Margin):
    scale: float = 4.0

    def target(self, similarity, rows):
        return self.scale * similarity

class Net(torch.nn.Sequential):
    def __init__(self, dim=3):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(256, dim))

def make(dim=3):
    return Net(dim)

def text():
    return "no net"
"""
BY_FILE = (
    "backbone = \"subprocess:call(args='touch {marker}', shell=True)\"",
    'backbone = "strange:Net"',
    'backbone = "strange:make(dim=3)"',
    'loss = "strange:Mine()"',
    'loss = "strange:Mine(scale=LinearWarmup(start=1.0, end=2.0, steps=3))"',
    'loss = "Softmax + 0.1 * VPL(margin=strange:Mine)"',
    'loss = "CosFace(margin=strange:Mine)"',
    'loss = "Softmax + 0.1 * strange:Pull(power=2)"',
)
REFUSED = re.compile(r"(strange:\w+|subprocess:call).*--trust \(in Python trust=True\)")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A finished run of a public loss and backbone."""
    folder = train(tmp_path_factory.mktemp("honest") / "lenets", "lenets")
    write_results(folder)
    return folder


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """Reports are written without their figures, which take seconds."""
    for page, names in (("runs.report", ["section"]), ("evaluations.evaluation_report", ["section", "single_section"])):
        for name in names:
            monkeypatch.setattr(f"cones.plots.{page}.{name}", lambda *_, **__: Section("", "", "", ""))


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """Trace left by the code of strange.py, in the current folder, when it is imported."""
    marker = tmp_path / "marker"
    (tmp_path / "strange.py").write_text(MODULE.format(marker=str(marker)))
    monkeypatch.chdir(tmp_path)
    yield marker
    sys.modules.pop("strange", None)


@pytest.fixture
def strange(honest, tmp_path: Path, marker):
    """Function that gives the folder of a run whose config.toml says a line of another's."""

    def make(line: str) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(honest, folder)
        config = folder / "config.toml"
        field = line.partition(" ")[0]
        kept = [old for old in config.read_text().splitlines() if not old.startswith(f"{field} =")]
        config.write_text("\n".join([*kept, line.format(marker=marker)]))
        rename_margin(folder, "strange:Mine(scale=4.0)")
        return folder

    return make


def rename_margin(folder, margin):
    """Let features.safetensors name another margin."""
    path = folder / "features.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = {name: text for name, text in file.metadata().items() if not name.startswith("checksum")}
    save_file(load_file(path), path, {**metadata, "margin": margin, "in_force": margin})


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.mark.parametrize("line", BY_FILE)
def test_no_command_runs_what_a_run_names(strange, marker, capsys, line):
    folder = strange(line)
    pictures, out, config = folder.parent / "pictures", folder.parent / "out", folder / "config.toml"
    pictures.mkdir()
    write_picture(pictures / "a.png")
    need_the_loss = [
        ["plot", folder],
        ["train", "--resume", folder],
        ["train", "--config", config, "--out", out / "again"],
        ["train", "--config", config, "--help"],
    ]
    need_the_backbone = [
        ["evaluate", folder, "--resamples", "0", "--out", out / "evaluation"],
        ["embed", pictures, "--model", folder, "--out", out / "embeddings.npz"],
        ["export", folder, "--format", "torch", "--far", "0.1", "--out", out / "exported"],
    ]
    for command in need_the_loss if line in BY_FILE[4:] else need_the_loss + need_the_backbone:
        refused = command in need_the_loss or line.startswith("backbone")
        assert run(*command) == (2 if refused else 0), command
        err = capsys.readouterr().err
        assert not marker.exists(), command
        if refused:
            assert REFUSED.search(err), err
            assert len(err.splitlines()) == 1
    if line.startswith("backbone"):  # what a comparison shares; it has losses of its own
        for command in (
            ["compare", "--config", config, "--losses", "Softmax", "--out", out / "two"],
            ["evaluate", pictures, "--model", folder, "--out", out / "evaluation"],
        ):
            assert run(*command) == 2
            assert REFUSED.search(capsys.readouterr().err)
            assert not marker.exists()


def write_picture(path):
    from PIL import Image

    Image.new("L", (16, 16)).save(path)


@pytest.mark.parametrize("line", BY_FILE)
def test_no_function_runs_what_a_run_names(strange, marker, line):
    folder = strange(line)
    read = read_run(folder / "config.toml")
    for refused in (
        lambda: next(fit(read, folder / "again")),
        lambda: next(fit(read, folder, resume=True)),
        lambda: write_results(folder),
        lambda: write_run_report(folder),
    ):
        with pytest.raises(TrustError, match=REFUSED):
            refused()
    asked = EvaluationOptions((0.1,), "cosine", 0, 0.95, 0)
    if line.startswith("backbone"):
        with pytest.raises(TrustError, match=REFUSED):
            load_backbone(folder, device="cpu")
        with pytest.raises(TrustError, match=REFUSED):
            evaluate_run(folder, asked)
    else:
        model = load_backbone(folder, device="cpu", trust=True)  # the loss stays text all the same
        evaluate_run(folder, asked)
        with pytest.raises(TrustError, match=REFUSED):
            model.run.objective  # noqa: B018
    assert not marker.exists()


def test_the_decision_of_a_strangers_program_is_read_without_unpickling(tmp_path, marker):
    class Command:
        def __reduce__(self):
            return Path.write_text, (marker, "ran")

    with zipfile.ZipFile(tmp_path / "model.pt2", "w") as archive:
        for name in ("data/sample_inputs/model.pt", "data/weights/weight_0", "data/constants/constant_0"):
            archive.writestr(f"model/{name}", pickle.dumps(Command()))
        archive.writestr("model/extra/decision", "{}")
        archive.writestr("model/extra/model_sha256", "0" * 64)
    with pytest.raises(ValueError, match=r'model.pt2 is not a decision, expected "format"'):
        read_metadata(tmp_path / "model.pt2")
    (tmp_path / "model.pt2").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"model.pt2 is not a program of torch.export"):
        read_metadata(tmp_path / "model.pt2")
    assert not marker.exists()


def test_a_file_cannot_ask_to_be_trusted(tmp_path, marker):
    (tmp_path / "config.toml").write_text('trust = true\nloss = "strange:Mine"\n')
    with pytest.raises(ValueError, match="there is no field 'trust'"):
        read_run(tmp_path / "config.toml")
    assert not marker.exists()


def test_a_comparison_lists_folders_of_its_own(honest, tmp_path, capsys):
    folder = tmp_path / "comparison"
    folder.mkdir()
    before = sorted(path.name for path in honest.iterdir())
    for name in ("..", "../run", str(honest), "a\0b", 3, ""):
        (folder / "comparison.json").write_text(json.dumps({"title": "t", "runs": [name]}))
        with pytest.raises(ValueError, match=r"comparison.json lists the run .*, expected the name of a folder"):
            write_comparison_report(folder)
        assert run("plot", folder) == 2
    # a summary names its run, but does not say where a report is written to
    shutil.copytree(honest, folder / "a")
    summary = json.loads((folder / "a" / "summary.json").read_text())
    (folder / "a" / "summary.json").write_text(json.dumps({**summary, "name": str(honest)}))
    (folder / "comparison.json").write_text(json.dumps({"title": "t", "runs": ["a"]}))
    assert run("plot", folder) == 0
    assert sorted(path.name for path in honest.iterdir()) == before
    assert (folder / "a" / "report.html").exists()


def test_a_head_names_its_margin(tmp_path, marker):
    head = cones.Head(4, 3, parse("strange:Mine(scale=2.0)"))
    write_head(tmp_path / "head.safetensors", head)
    del sys.modules["strange"]
    marker.unlink()
    with pytest.raises(TrustError, match=REFUSED):
        read_head(tmp_path / "head.safetensors")
    assert not marker.exists()
    assert read_head(tmp_path / "head.safetensors", trust=True).margin.scale == 2.0


def test_text_of_another_is_parsed_without_import(marker):
    for text in ("strange:Mine", "Softmax + 0.1 * VPL(margin=strange:Mine)", "Softmax + 0.1 * strange:Pull"):
        with pytest.raises(TrustError, match=REFUSED):
            parse_objective(text, trust=False)
    with pytest.raises(TrustError, match=REFUSED):
        parse("strange:Mine", trust=False)
    assert not marker.exists()


def test_what_a_person_types_needs_no_flag(honest, tmp_path, marker, capsys):
    data = next(line for line in (honest / "config.toml").read_text().splitlines() if line.startswith("data ="))
    (tmp_path / "mine.toml").write_text(f'{data}\nepochs = 1\ntensorboard = false\nloss = "strange:Gone"\n')
    typed = ["--loss", "strange:Mine(scale=3.0)", "--backbone", "strange:Net(dim=2)", "--threads", "1"]
    out = tmp_path / "typed"
    assert run("train", "--config", tmp_path / "mine.toml", *typed, "--out", out) == 0
    assert marker.exists()
    assert run("train", "--resume", out) == 2
    assert REFUSED.search(capsys.readouterr().err)
    assert run("train", "--resume", out, "--trust") == 0
    assert run("train", "--resume", out, *typed[:4]) == 0
    for command in (["evaluate", out, "--resamples", "0"], ["plot", out]):
        where = [] if command[0] == "plot" else ["--out", tmp_path / command[0]]
        assert run(*command, *where) == 2, command
        assert run(*command, *where, "--trust") == 0, command
    # the net is the person's, the loss is not needed: it may have gone
    text = MODULE.format(marker=str(marker)).replace("class Mine", "class Other")
    (tmp_path / "strange.py").write_text(text)
    sys.modules.pop("strange")
    assert run("evaluate", out, "--resamples", "0", "--out", tmp_path / "evaluate", "--trust") == 0


def test_a_comparison_goes_on_with_what_is_typed(honest, tmp_path, marker):
    shared = ["--config", honest / "config.toml", "--losses", "strange:Mine"]
    assert run("compare", *shared, "--out", tmp_path / "two") == 0
    assert run("compare", *shared, "--out", tmp_path / "two") == 0
    assert run("plot", tmp_path / "two") == 2
    assert run("plot", tmp_path / "two", "--trust") == 0


@pytest.mark.parametrize(
    ("backbone", "text"),
    [
        ("subprocess:call(args='touch {marker}', shell=True)", r"subprocess:call is <function call .*, expected a sub"),
        ("os:system(command='touch {marker}')", r"os:system is <built-in function system>, expected a subclass"),
        ("builtins:exec", r"builtins:exec is <built-in function exec>"),
        ("strange:call(args='touch {marker}', shell=True)", r"strange:call is <function call .*defined in strange"),
        ("strange:Mine(scale=1.0)", r"strange:Mine is <class 'strange.Mine'>, expected a subclass of torch.nn.Module"),
        ("strange:torch", r"strange:torch is <module"),
        ("torch:save(obj=3, f='{marker}')", r"a function of torch.serialization: name it there, torch.serialization:s"),
        ("strange:Small", r"strange:Small: strange has no 'Small'"),
        ("stranger:Net", r"there is no module 'stranger', neither in this folder nor where Python looks"),
    ],
)
def test_what_is_no_net_is_refused_before_it_is_called(marker, capsys, backbone, text):
    (marker.parent / "strange.py").write_text(MODULE.format(marker=str(marker) + "2"))
    backbone = backbone.format(marker=marker)
    with pytest.raises(ValueError, match=text):
        Run(backbone=backbone)
    with pytest.raises(ValueError, match=text):
        cones.backbones.build(backbone, (1, 16, 16), 2)
    assert run("train", "--backbone", backbone) == 2
    err = capsys.readouterr().err
    assert re.search(text, err)
    assert len(err.splitlines()) == 1
    assert not marker.exists()


@pytest.mark.parametrize("loss", ["subprocess:call", "strange:Net", "strange:make()", "os:system(command='x')"])
def test_what_is_no_margin_is_refused_before_it_is_called(marker, loss):
    for read in (parse, parse_objective, lambda text: Run(loss=text)):
        with pytest.raises(ValueError, match=r"expected a subclass of cones.Margin"):
            read(loss)


def test_a_function_that_gives_no_net_is_said(marker):
    with pytest.raises(ValueError, match=r"backbone 'strange:text' returned a str, expected a torch.nn.Module"):
        cones.backbones.build("strange:text", (1, 16, 16), 2)
    assert isinstance(cones.backbones.build("strange:make(dim=5)", (1, 16, 16), 2), torch.nn.Sequential)
