"""The command line of `cones`, by its commands: see COMMANDS.

Thin: it parses, calls and prints.
"""

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

from ..common.extras import require

require("the command line", "rich", "tyro", "numpy", "PIL", "safetensors", "tomli_w")

import tyro

from .. import __version__
from ..common.expressions import did_you_mean
from ..common.import_path import TrustError
from ..common.run_folder import CONFIG
from ..training import DEMO, DEMO_RUN, Run, read_fields, refuse_code
from . import actions, model_actions
from .commands import Check, Command, Compare, Data, Losses, Migrate, Plan, Plot, Suggest, Train, UsageError
from .model_commands import Embed, Evaluate, Export
from .options import check_options, in_options, without_none
from .terminal import Console

KINDS: dict[str, type] = {
    "train": Train,
    "compare": Compare,
    "plot": Plot,
    "losses": Losses,
    "data": Data,
    "plan": Plan,
    "suggest": Suggest,
    "check": Check,
    "migrate": Migrate,
    "embed": Embed,
    "evaluate": Evaluate,
    "export": Export,
}
COMMANDS = tuple(KINDS)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Exits with 0, 1 on failure, 2 on bad usage, 130 after Ctrl-C, 75 after another signal to stop. Where the reader of
    the output has left, as after `| head`, a command whose work is what it prints exits with 141; `train` and `compare`
    write their files all the same and exit as ever.
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
    """Exit as a program does that SIGPIPE ends, as after `cones losses | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed goes nowhere
    sys.exit(141)


def _main(arguments: list[str] | None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    shown: set[str] = set()

    def show_once(message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            console.print(f"cones: warning: {message}", markup=False)

    warnings.showwarning = show_once
    logger = logging.getLogger("cones")
    logger.setLevel(logging.INFO)
    logger.handlers = [_Teller(console)]
    wanted_traceback = "--traceback" in arguments
    try:
        command = parse(arguments)
        sys.exit(_execute(command))
    except KeyboardInterrupt:
        console.print("cones: stopped", markup=False)
        sys.exit(130)
    except (UsageError, TrustError) as error:
        console.print(f"cones: {_in_options(error, arguments)}", markup=False)
        sys.exit(2)
    except BrokenPipeError:
        raise
    except Exception as error:
        if wanted_traceback:
            traceback.print_exc()
        console.print(f"cones: {_in_options(error, arguments)}", markup=False)
        sys.exit(1)


class _Teller(logging.Handler):
    """Prints what the library logs, as all else that the command line says."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(f"cones: {record.getMessage()}", markup=False)


def parse(arguments: list[str]) -> Command:
    """The command that the arguments name, with defaults from --config or from a run to resume.

    Raises:
        UsageError: a command, loss or configuration is wrong.
        SystemExit: with 2 on any other bad usage, with 0 after --help.
    """
    if arguments[:1] == ["--version"]:
        print(f"cones {__version__}")
        sys.exit(0)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise UsageError(
            f"{arguments[0]!r} is no command{did_you_mean(arguments[0], COMMANDS)}; there are {', '.join(COMMANDS)}"
        )
    # what --config and --resume name decides the defaults that the full parser then shows and overrides
    files = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    files.add_argument("--config", type=_path)
    files.add_argument("--resume", type=_path)
    files.add_argument("--loss", nargs="?", const="")
    files.add_argument("--backbone", nargs="?", const="")
    files.add_argument("--trust", action="store_true")
    if arguments and arguments[0] in KINDS:
        try:
            check_options(arguments[0], KINDS[arguments[0]], arguments[1:])
        except ValueError as error:
            raise UsageError(str(error)) from error
        arguments = without_none(KINDS[arguments[0]], arguments)
    named, _ = files.parse_known_args(arguments)
    typed = {name for name in ("loss", "backbone") if getattr(named, name) is not None}
    if arguments[:1] == ["compare"]:
        typed.add("loss")  # it takes --losses in its place
    try:
        train = Train(run=_starting_point(Run(), named.config, named.resume, typed, named.trust))
        compare = Compare(run=_starting_point(DEMO_RUN, named.config, None, typed, named.trust), losses=DEMO)
        if arguments and arguments[0] in KINDS:  # its own parser, so that hints name its own --help
            name, kind = arguments[0], KINDS[arguments[0]]
            defaults = {"train": train, "compare": compare}
            if name in defaults:
                return cast(Command, tyro.cli(kind, prog=f"cones {name}", default=defaults[name], args=arguments[1:]))
            return cast(Command, tyro.cli(kind, prog=f"cones {name}", args=arguments[1:]))
        kinds: Any = (
            Annotated[Train, tyro.conf.subcommand("train", default=train)]
            | Annotated[Compare, tyro.conf.subcommand("compare", default=compare)]
            | Annotated[Plot, tyro.conf.subcommand("plot")]
            | Annotated[Losses, tyro.conf.subcommand("losses")]
            | Annotated[Data, tyro.conf.subcommand("data")]
            | Annotated[Plan, tyro.conf.subcommand("plan")]
            | Annotated[Suggest, tyro.conf.subcommand("suggest")]
            | Annotated[Migrate, tyro.conf.subcommand("migrate")]
            | Annotated[Check, tyro.conf.subcommand("check")]
            | Annotated[Embed, tyro.conf.subcommand("embed")]
            | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
            | Annotated[Export, tyro.conf.subcommand("export")]
        )
        about = "Train embeddings that separate. Each command has its own --help."
        return cast(Command, tyro.cli(kinds, prog="cones", description=about, args=arguments))
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error


def _path(text: str) -> Path | None:
    return None if text == "None" else Path(text)


def _in_options(error: Exception, arguments: list[str]) -> str:
    kind = KINDS.get(arguments[0]) if arguments else None
    return str(error) if kind is None else in_options(str(error), kind)


def _starting_point(default: Run, config: Path | None, resume: Path | None, typed: Collection[str], trust: bool) -> Run:
    """The defaults of a run; of what is typed in their place nothing is read, and no code is imported unasked."""
    if resume is not None and config is not None:
        raise UsageError("--resume and --config are both given: a resumed run has its own settings")
    if resume is not None and not (resume / CONFIG).is_file():
        raise UsageError(
            f"--resume is {resume}, but there is no configuration {resume / 'config.toml'}: name the folder of a run, "
            "or leave --resume out to begin one"
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


def _execute(command: Command) -> int:
    match command:
        case Train():
            return actions.do_train(command)
        case Compare():
            return actions.do_compare(command)
        case Plot():
            return actions.do_plot(command)
        case Losses():
            return actions.do_losses(command)
        case Data():
            return actions.do_data(command)
        case Plan():
            return actions.do_plan(command)
        case Suggest():
            return actions.do_suggest(command)
        case Migrate():
            return actions.do_migrate(command)
        case Check():
            return actions.do_check(command)
        case Embed():
            return model_actions.do_embed(command)
        case Evaluate():
            return model_actions.do_evaluate(command)
        case Export():
            return model_actions.do_export(command)
