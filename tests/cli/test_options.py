"""Options of the command line: hints, None, error messages, spellings in configurations, closed pipes."""

import subprocess
import sys
from pathlib import Path

import pytest

from cones.cli.app import COMMANDS, main, parse
from cones.cli.evaluate import Evaluate
from cones.cli.options import check_options, in_options, options_of
from cones.cli.train import Train
from cones.cli.usage import UsageError
from cones.training import read_run


def cones(*arguments: object) -> object:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.mark.parametrize(
    ("command", "written", "meant"),
    [
        ("train", "--lr", "--learning-rate"),
        ("train", "--lr=0.1", "--learning-rate"),
        ("train", "-lr", "--learning-rate"),
        ("train", "-epochs", "--epochs"),
        ("train", "--batch", "--batch-size"),
        ("train", "--wd", "--weight-decay"),
        ("train", "--epoch", "--epochs"),
        ("train", "--learning_rat", "--learning-rate"),
        ("compare", "--lr", "--learning-rate"),
        ("embed", "--flop", "--flip"),
        ("evaluate", "--repeat", "--repeats"),
        ("suggest", "--num-classes", "--classes"),
        ("migrate", "--num-class", "--num-classes"),
    ],
)
def test_the_option_that_is_meant(command: str, written: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([command, written, "0.1"])
    name = written.partition("=")[0]
    expected = f"{name} is not an option of cones {command} (did you mean {meant}?); cones {command} --help lists them"
    assert str(caught.value) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_knows_its_own_options(command: str) -> None:
    options = options_of(COMMANDS[command])
    assert "--traceback" in options or command in ("losses", "plan", "suggest", "check")
    check_options(
        command, COMMANDS[command], [*options, *(name.replace("-", "_").replace("__", "--") for name in options)]
    )
    with pytest.raises(
        ValueError, match=rf"--quux is not an option of cones {command}; cones {command} --help lists them"
    ):
        check_options(command, COMMANDS[command], ["--quux"])


def test_values_are_no_options() -> None:
    command = parse(["train", "--head-weight-decay", "-1", "--no-tensorboard", "--learning_rate", "1e-3"])
    assert isinstance(command, Train)
    assert (command.run.head_weight_decay, command.run.tensorboard, command.run.learning_rate) == (-1.0, False, 1e-3)


def test_hints_name_the_help_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cones("train", "somewhere") == 2
    assert "cones train --help" in capsys.readouterr().err


@pytest.mark.parametrize("none", [["--resume", "none"], ["--resume=None"], ["--resume", "NONE", "--config", "none"]])
def test_none_is_no_folder(none: list[str]) -> None:
    command = parse(["train", *none, "--epochs", "3"])
    assert isinstance(command, Train)
    assert (command.resume, command.config, command.run.epochs) == (None, None, 3)


def test_a_folder_without_a_run_is_no_missing_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--resume is .*, but there is no file .*config.toml: name the folder of a"):
        parse(["train", "--resume", str(tmp_path)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop one, or pass repeats=True to count it", "drop one, or pass --repeats to count it"),
        ("flip is True, but x was trained on vectors", "--flip is given, but x was trained on vectors"),
        ("far holds 2.0, expected rates", "--far holds 2.0, expected rates"),
        ("pass far=0.1, or none", "pass --far 0.1, or none"),
        ("a margin such as Mine(far=0.5, seed=64)", "a margin such as Mine(far=0.5, seed=64)"),
        ("x.npz has flip is True in it", "x.npz has flip is True in it"),
        ("the side is wrong: side='test'", "the side is wrong: --side test"),
    ],
)
def test_errors_name_the_option(text: str, expected: str) -> None:
    assert in_options(text, Evaluate) == expected


def test_errors_name_the_option_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    np.savez(tmp_path / "e.npz", features=np.eye(2), names=["a", "b"])
    (tmp_path / "pairs.csv").write_text("a,b,same\na,b,1\nb,a,1\n")
    assert cones("evaluate", tmp_path / "e.npz", "--pairs", tmp_path / "pairs.csv") == 2
    error = capsys.readouterr().err
    assert "or pass --repeats to count it as often as it is listed" in error
    assert "repeats=True" not in error


@pytest.mark.parametrize("name", ["learning_rate", "learning-rate"])
def test_a_configuration_may_be_spelled_as_options_are(tmp_path: Path, name: str) -> None:
    (tmp_path / "run.toml").write_text(f"{name} = 0.5\n")
    assert read_run(tmp_path / "run.toml").learning_rate == 0.5


def test_one_field_in_both_spellings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("learning_rate = 0.5\nlearning-rate = 0.1\n")
    with pytest.raises(ValueError, match=r"learning_rate and learning-rate are the same field: leave one of them out"):
        read_run(tmp_path / "run.toml")


@pytest.mark.parametrize("arguments", [["suggest", "--classes", "100", "--dim", "64"], ["losses", "ArcFace"]])
def test_a_reader_that_goes_ends_it_quietly(arguments: list[str]) -> None:
    """One command prints by itself, the other by rich."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cones", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141
