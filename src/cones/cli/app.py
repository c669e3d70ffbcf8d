"""The command line of `cones`: parse, dispatch, and one line for each error.

A new command is a dataclass with `execute` in a module of its own, and its line in COMMANDS.
"""

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Collection
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, cast

from ..common.extras import require

require("the command line", "rich", "tyro", "numpy", "PIL", "safetensors", "tomli_w")

import tyro

from .. import __version__
from ..common.expressions import did_you_mean
from ..common.import_path import TrustError
from ..common.regular_file import not_a_file
from ..common.run_folder import CONFIG
from ..data import DataError
from ..training import CheckpointError, Run, read_fields, refuse_code
from .check import Check
from .checkpoint import Checkpoint
from .compare import Compare
from .data import Data
from .embed import Embed
from .evaluate import Evaluate
from .export import Export
from .losses import Losses
from .migrate import Migrate
from .options import check_options, check_values, in_options, options_of, takes_run, without_none
from .plan import Plan
from .plot import Plot
from .processes import SaidElsewhere, leads, met
from .suggest import Suggest
from .terminal import Console
from .train import Train
from .usage import Command, UsageError

COMMANDS: dict[str, type[Command]] = {
    "train": Train,
    "compare": Compare,
    "plot": Plot,
    "losses": Losses,
    "data": Data,
    "plan": Plan,
    "suggest": Suggest,
    "checkpoint": Checkpoint,
    "migrate": Migrate,
    "check": Check,
    "embed": Embed,
    "evaluate": Evaluate,
    "export": Export,
}
"""Every command by name, in the order of the help."""

WRONG_INPUT = (ValueError, FileNotFoundError, DataError, CheckpointError)
"""Errors of the command line and of the files that it names; usage errors and untrusted code are among them."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Exits with 0; 2 if the command line is wrong, or what it names to read is missing or broken; 1 if the command fails
    otherwise, as on a full disk; 130 after Ctrl-C, 75 after another signal to stop. If the output pipe is closed, as by
    `| head`, a command that only prints exits with 141; `train` and `compare` still write their files and exit as
    usual.
    """
    try:
        try:
            _main(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _exit_unread()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # rich met it first
            _exit_unread()
        raise


def _exit_unread() -> None:
    """Exit like a program ended by SIGPIPE, as after `cones losses | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed goes nowhere
    sys.exit(141)


def _main(arguments: list[str] | None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    # of many processes the first one speaks; another where what it met is its own
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False, quiet=not leads())
    shown: set[str] = set()

    def show_once(message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            console.print(f"cones: warning: {message}", markup=False)

    warnings.showwarning = show_once
    logger = logging.getLogger("cones")
    logger.setLevel(logging.INFO)
    logger.handlers = [_LogHandler(console)]
    wanted_traceback = "--traceback" in arguments
    try:
        sys.exit(parse(arguments).execute())
    except KeyboardInterrupt:
        console.print("cones: stopped", markup=False)
        sys.exit(130)
    except SaidElsewhere:
        sys.exit(1)
    except BrokenPipeError:
        raise
    except Exception as error:
        if wanted_traceback and not isinstance(error, UsageError | TrustError):
            traceback.print_exc()
        console.quiet = console.quiet and not met()
        console.print(f"cones: {_in_options(error, arguments)}", markup=False)
        sys.exit(2 if isinstance(error, WRONG_INPUT) else 1)


class _LogHandler(logging.Handler):
    """Prints the log records of the library in the format of all other messages."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(f"cones: {record.getMessage()}", markup=False)


def parse(arguments: list[str]) -> Command:
    """Return the command that the arguments name, with defaults from --config or from a run to resume.

    Raises:
        UsageError: a command, loss or configuration is wrong.
        SystemExit: with 2 on any other bad usage, with 0 after --help.
    """
    if arguments[:1] == ["--version"]:
        print(f"cones {__version__}")
        sys.exit(0)
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name not in COMMANDS:
        if name and not name.startswith("-"):
            known = ", ".join(COMMANDS)
            raise UsageError(f"{name!r} is not a command{did_you_mean(name, COMMANDS)}; expected one of {known}")
        about = "Train embeddings that separate. See cones COMMAND --help for each command."
        return cast(Command, tyro.cli(_any_command(), prog="cones", description=about, args=arguments))
    kind = COMMANDS[name]
    try:
        check_options(name, kind, rest)
        check_values(name, kind, rest)
        rest = without_none(kind, rest)
        defaults = {"default": _defaults(kind, rest)} if takes_run(kind) else {}
        # a parser of its own, so that hints name its own --help
        return cast(Command, tyro.cli(kind, prog=f"cones {name}", args=rest, **defaults))
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error


def _any_command() -> Any:
    """Return the union of all commands, as the parser takes it."""
    kinds = (Annotated[kind, tyro.conf.subcommand(name)] for name, kind in COMMANDS.items())
    return reduce(or_, kinds)


def _defaults(kind: type[Command], arguments: list[str]) -> Any:
    """Return a command with the settings that --config or --resume names: the parser shows and overrides them."""
    files = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    files.add_argument("--config", type=_path)
    files.add_argument("--resume", type=_path)
    files.add_argument("--loss", nargs="?", const="")
    files.add_argument("--backbone", nargs="?", const="")
    files.add_argument("--trust", action="store_true")
    named, _ = files.parse_known_args(arguments)
    typed = {name for name in ("loss", "backbone") if getattr(named, name) is not None}
    if "--losses" in options_of(kind):
        typed.add("loss")  # taken in its place
    default: Any = kind()
    run = _starting_point(default.run, named.config, named.resume, typed, named.trust)
    return replace(default, run=run)


def _path(text: str) -> Path | None:
    return None if text == "None" else Path(text)


def _in_options(error: Exception, arguments: list[str]) -> str:
    kind = COMMANDS.get(arguments[0]) if arguments else None
    return str(error) if kind is None else in_options(str(error), kind)


def _starting_point(default: Run, config: Path | None, resume: Path | None, typed: Collection[str], trust: bool) -> Run:
    """Return the defaults of a run; fields in `typed` are not read, and no code is imported unasked."""
    if resume is not None and config is not None:
        raise UsageError("--resume and --config are both given, but a resumed run has its own settings: drop --config")
    if resume is not None and (fault := not_a_file(resume / CONFIG)):
        raise UsageError(
            f"--resume is {resume}, but {fault}: name the folder of a run, or leave --resume out to start a new one"
        )
    path = config if resume is None else resume / CONFIG
    if path is None:
        return default
    given = {name: value for name, value in read_fields(path, Run).items() if name not in typed}
    if not trust:
        refuse_code(path, given)
    try:
        return replace(default, **given)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
