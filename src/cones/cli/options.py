"""Options of a command: their names, hints for names that are not there, and errors in terms of them."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from ..training import Run

# Names that other trainers use, without their hyphens.
_MEANT = {
    "amp": "precision",
    "arch": "backbone",
    "batch": "batch-size",
    "bf16": "precision",
    "bs": "batch-size",
    "checkpoint": "resume",
    "clipgrad": "clip-norm",
    "criterion": "loss",
    "dataset": "data",
    "embeddingdim": "feature-dim",
    "embeddingsize": "feature-dim",
    "evalevery": "validate-every",
    "evalinterval": "validate-every",
    "fp16": "precision",
    "gpu": "device",
    "gradclip": "clip-norm",
    "imgsize": "image-size",
    "lossfn": "loss",
    "lossfunction": "loss",
    "lr": "learning-rate",
    "lrschedule": "schedule",
    "lrscheduler": "schedule",
    "maxepochs": "epochs",
    "maxgradnorm": "clip-norm",
    "net": "backbone",
    "network": "backbone",
    "numclasses": "classes",
    "numepochs": "epochs",
    "optim": "optimizer",
    "output": "out",
    "outputdir": "out",
    "randomseed": "seed",
    "savedir": "out",
    "scheduler": "schedule",
    "subcenters": "sub-centers",
    "val": "validate",
    "valdata": "validate",
    "valinterval": "validate-every",
    "valsplit": "test-fraction",
    "warmup": "warmup-steps",
    "wd": "weight-decay",
}


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Args:
        field: name of the field that it sets.
        switch: whether it takes no value, and has a --no- form.
        optional: whether None is a value.
        hint: type of its values, without None.
        required: whether it has no default.
    """

    field: str
    switch: bool
    optional: bool
    hint: Any
    required: bool


def takes_run(kind: type) -> bool:
    """Whether the command has the settings of a run among its options."""
    return get_type_hints(kind).get("run") is Run


def options_of(kind: type) -> dict[str, Option]:
    """Return the options of a command by name, such as "--learning-rate"; the fields of its run are among them."""
    options: dict[str, Option] = {}
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        hint = hints[field.name]
        inner, marks = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
        actions = [get_args(action)[0] for action in get_args(inner) if get_origin(action) is Annotated]
        if inner is Run:
            options |= options_of(Run)
        elif actions:  # `cones COMMAND ACTION`
            for action in actions:  # what one of them needs, another may not have
                options |= {name: replace(option, required=False) for name, option in options_of(action).items()}
        elif not any(mark is tyro.conf.Positional or mark is tyro.conf.Suppress for mark in marks):
            kinds = [each for each in get_args(inner) if each is not NoneType]
            optional = NoneType in get_args(inner)
            required = field.default is MISSING and field.default_factory is MISSING
            kept = kinds[0] if optional and len(kinds) == 1 else inner
            options[_option(field.name)] = Option(field.name, inner is bool, optional, kept, required)
    return options


def check_options(command: str, kind: type, arguments: Sequence[str]) -> None:
    """Raise ValueError for the first argument that looks like an option but is not one of the command.

    Args:
        command: its name.
        kind: its dataclass.
        arguments: command-line arguments after its name.
    """
    known = options_of(kind)
    spelled = {*known, *(f"--no-{name[2:]}" for name, option in known.items() if option.switch), "--help"}
    for argument in arguments:
        if argument == "--":
            return
        written = re.match(r"--?[A-Za-z][\w-]*", argument)
        if written is None or argument == "-h" or _is_number(argument):
            continue
        name = _option(written[0].lstrip("-"))
        if not written[0].startswith("--") or name not in spelled:
            raise ValueError(
                f"{written[0]} is not an option of cones {command}{_hint(name, sorted(spelled))}; "
                f"cones {command} --help lists them"
            )


def check_values(command: str, kind: type, arguments: Sequence[str]) -> None:
    """Raise ValueError for the first option whose value is missing or not of its kind, or that is not given at all.

    Args:
        command: its name.
        kind: its dataclass.
        arguments: command-line arguments after its name, which `check_options` has passed.
    """
    known = options_of(kind)
    given: set[str] = set()
    for place, argument in enumerate(arguments):
        if argument in ("-h", "--help"):
            return
        if argument == "--":
            break
        written, equals, value = argument.partition("=")
        name = _option(written.lstrip("-"))
        if not written.startswith("--") or name not in known or known[name].switch:
            continue
        given.add(name)
        option = known[name]
        values = [value] if equals else _values_after(arguments[place + 1 :])
        several = get_origin(option.hint) is tuple
        if not values and not (several and Ellipsis in get_args(option.hint)):
            raise ValueError(f"{name} has no value, expected {_expected(option.hint)}")
        if several and Ellipsis not in get_args(option.hint) and len(values) != len(get_args(option.hint)):
            raise ValueError(f"{name} has {len(values)} values, expected {_expected(option.hint)}")
        for each in values if several else values[:1]:
            if not (option.optional and each.lower() == "none") and not _is_of(each, option.hint):
                raise ValueError(f"{name} is {each!r}, expected {_expected(option.hint)}")
    missing = [name for name, option in known.items() if option.required and name not in given]
    if missing:
        raise ValueError(f"{' and '.join(missing)}: not given, expected a value; cones {command} --help says of what")


def _values_after(arguments: Sequence[str]) -> list[str]:
    """The arguments up to the next option."""
    values: list[str] = []
    for argument in arguments:
        if argument.startswith("-") and len(argument) > 1 and not _is_number(argument):
            break
        values.append(argument)
    return values


def _is_of(text: str, hint: Any) -> bool:
    """Whether a value can be read as its type; types other than numbers and choices take any text."""
    if get_origin(hint) is Literal:
        return text in get_args(hint)
    kind = get_args(hint)[0] if get_origin(hint) is tuple else hint
    if kind is int:
        return re.fullmatch(r"\s*[+-]?\d+(_\d+)*\s*", text) is not None
    return kind is not float or _is_number(text)


def _expected(hint: Any) -> str:
    """The values that a type takes, as an error says it."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        number = "" if Ellipsis in kinds else f"{len(kinds)} "
        return f"{number}{'numbers' if kinds[0] is float else 'values'}, separated by spaces"
    return {int: "a whole number", float: "a number"}.get(hint, "a value")


def without_none(kind: type, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a None in any case as None, where an option takes it."""
    optional = {name for name, option in options_of(kind).items() if option.optional}
    result: list[str] = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and value.lower() == "none" and _option(name.lstrip("-")) in optional:
            argument = f"{name}=None"
        elif argument.lower() == "none" and result and _option(result[-1].lstrip("-")) in optional:
            argument = "None"
        result.append(argument)
    return result


def in_options(text: str, kind: type) -> str:
    """Return the text of an error with the fields of a command as its options.

    Example:
        >>> from cones.cli.train import Train
        >>> in_options("image_size is None, but the images differ in size; pass image_size=S to stretch them", Train)
        '--image-size is not given, but the images differ in size; pass --image-size S to stretch them'
    """
    by_field = {option.field: name for name, option in options_of(kind).items()}
    names = "|".join(by_field)

    def assigned(found: re.Match[str]) -> str:
        name, value = by_field[found[1]], found[2].strip("'")
        if value in ("True", "False"):
            return name if value == "True" else f"--no-{name[2:]}"
        return f"{name} {value}"

    def opening(found: re.Match[str]) -> str:
        given = {" is True": " is given", " is None": " is not given"}
        return by_field[found[1]] + given.get(found[2], found[2])

    text = re.sub(rf"^({names})( is (?:True|None)\b| (?:is|has|holds)\b)", opening, text)
    pattern = rf"(?<![\w.(-])({names})=('[^']*'|[\w.-]*\w)(?![\w(])"
    # what is inside Name(...) are fields of that, and "(in Python ...)" says what to write there
    parts = re.split(r"(\w\([^()]*\)|\(in Python [^()]*\))", text)
    return "".join(part if place % 2 else re.sub(pattern, assigned, part) for place, part in enumerate(parts))


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _hint(name: str, known: Sequence[str]) -> str:
    """' (did you mean X?)' for the option that is meant, by what others call it or by its letters, else nothing."""
    meant = f"--{_MEANT.get(name.replace('-', '').lower(), '')}"
    near = [meant] if meant in known else difflib.get_close_matches(name.lower(), known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
