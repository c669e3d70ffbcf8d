"""The table of commands: every entry is parsed, run, listed and described."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import pytest

import cones.cli
from cones.cli import app
from cones.cli.options import options_of


@dataclass(frozen=True)
class Greet:
    """Greet somebody by name.

    Args:
        name: of the person
        shout: in capitals
        traceback: show where an error came from
    """

    name: str = "you"
    shout: bool = False
    traceback: bool = False

    def execute(self) -> int:
        greeting = f"hello {self.name}"
        print(greeting.upper() if self.shout else greeting)
        return 7


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        app.main(list(arguments))
    return ended.value.code


def test_a_line_in_the_table_makes_a_command(monkeypatch, capsys):
    monkeypatch.setitem(app.COMMANDS, "greet", Greet)
    assert run("greet", "--name", "world", "--shout") == 7
    assert capsys.readouterr().out == "HELLO WORLD\n"
    assert run("--help") == 0
    listed = capsys.readouterr().out
    assert "greet" in listed
    assert "Greet somebody by name." in listed
    assert run("greet", "--help") == 0
    assert "of the person (default: you)" in " ".join(capsys.readouterr().out.split())
    assert run("greet", "--nam", "world") == 2
    assert "--nam is not an option of cones greet (did you mean --name?)" in capsys.readouterr().err
    assert run("great") == 2
    error = capsys.readouterr().err
    assert "'great' is not a command (did you mean greet?); expected one of train" in error
    assert "export, greet" in error


def test_each_command_is_a_file_of_its_name():
    folder = Path(cones.cli.__file__).parent
    for name, kind in app.COMMANDS.items():
        assert (folder / f"{name}.py").is_file()
        assert kind is getattr(importlib.import_module(f"cones.cli.{name}"), name.capitalize())
        assert kind.__doc__
        assert "--traceback" in options_of(kind)
