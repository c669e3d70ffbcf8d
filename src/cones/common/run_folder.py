"""Names and text formats of the files in the folder of a run or of a comparison.

An error of a reader names the file and the place in it.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from .expressions import brief
from .regular_file import not_a_file

CONFIG, INPUT, VERSIONS = "config.toml", "input.json", "versions.json"
METRICS, SUMMARY, COMPARISON = "metrics.jsonl", "summary.json", "comparison.json"
LAST, BEST, FEATURES = "last.safetensors", "best.safetensors", "features.safetensors"
REPORT, FIGURES, TENSORBOARD = "report.html", "figures", "tensorboard"

EVALUATION_FIGURES = ("roc", "det", "scores", "cmc", "hard-pairs", "subjects")
"""Names of the figures of an evaluation; some have a narrow one beside them."""

LONGEST_NAME = 255
"""Bytes in the name of a folder at most: the limit of common file systems."""


class Comparison(NamedTuple):
    """Contents of comparison.json.

    Attributes:
        title: of the report.
        runs: names of the runs' folders inside the comparison's.
    """

    title: str
    runs: tuple[str, ...]


def refuse_links(folder: Path, *names: str) -> None:
    """Raise ValueError if one of the folders that belong inside `folder` is a link: writing to it writes elsewhere."""
    for name in names:
        if (folder / name).is_symlink():
            raise ValueError(f"{folder / name} is a link, expected a folder in its place: remove the link")


def inner_folder(folder: Path, name: str) -> Path:
    """Return the folder `name` inside of that of a run, a comparison or an evaluation, to write to.

    Raises:
        ValueError: it is a link.
    """
    refuse_links(folder, name)
    return folder / name


def remove_evaluation_report(folder: Path) -> None:
    """Remove the report and the figures of an earlier evaluation, which the next one may not all have.

    Raises:
        ValueError: the folder of figures is a link.
    """
    figures = inner_folder(folder, FIGURES)
    for name in EVALUATION_FIGURES:
        for ending in (".svg", ".png", "-narrow.svg", "-narrow.png"):
            (figures / f"{name}{ending}").unlink(missing_ok=True)
    (folder / REPORT).unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not UTF-8 text.
    """
    if fault := not_a_file(path):
        raise FileNotFoundError(f"{fault}: a finished run has all the files that the trainer writes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no JSON object.
    """
    return parse_object(read_text(path), str(path))


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object in `text`.

    Args:
        text: JSON.
        where: its origin, as errors name it.

    Raises:
        ValueError: it is not a JSON object.
    """
    value = parse_json(text, where)
    if not isinstance(value, dict):
        raise ValueError(f"{where} holds a {type(value).__name__}, expected a JSON object")
    return value


def parse_json(text: str, where: str) -> Any:
    """Return the JSON value in `text`; arguments and errors as of `parse_object`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # no JSON, a number of too many digits, lists too deep
        raise ValueError(f"{where} is not JSON: {brief(str(error))}") from error


def read_metrics(path: Path, *, cut_short: bool = False) -> list[dict[str, Any]]:
    """Return the lines of a metrics.jsonl.

    Args:
        path: of the file.
        cut_short: whether a last line that is not JSON is left out: the process died while it wrote this one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is not a JSON object, or a field is of another kind than the trainer writes.
    """
    lines = read_text(path).split("\n")
    records = []
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {place}"
        try:
            record = parse_object(line, where)
        except ValueError:
            if cut_short and place == len(lines):
                break
            raise
        _check_kinds(record, where, {"kind": (str,), "step": (int,), "images_per_second": _NUMBER})
        records.append(record)
    return records


def read_summary(path: Path) -> dict[str, Any]:
    """Return the summary.json of a run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a JSON object, or a field that a line on the run shows is of another kind.
    """
    summary = read_object(path)
    _check_kinds(
        summary,
        str(path),
        {
            "name": (str,),
            "train_accuracy": (*_NUMBER, _NOTHING),
            "test_accuracy": (*_NUMBER, _NOTHING),
            "seconds": _NUMBER,
            "geometry": (dict, _NOTHING),
            "validation": (dict, _NOTHING),
        },
    )
    return summary


_NUMBER, _NOTHING = (int, float), type(None)


def _check_kinds(fields: dict[str, Any], where: str, kinds: dict[str, tuple[type, ...]]) -> None:
    """Raise ValueError unless each field of `kinds` that is there is of one of its kinds."""
    for name, expected in kinds.items():
        if name in fields and type(fields[name]) not in expected:
            kind = " or ".join("null" if one is _NOTHING else one.__name__ for one in expected)
            raise ValueError(f"{where}: {name} is {brief(repr(fields[name]))}, expected {kind}")


def read_comparison(folder: Path) -> Comparison:
    """Return the comparison.json of a folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is broken, or names a run outside of the folder, if by a link.
    """
    path = folder / COMPARISON
    listing = read_object(path)
    names = listing.get("runs")
    if not isinstance(names, list) or not names:
        raise ValueError(f'{path} lists no runs, expected "runs": [folder names]')
    for name in names:
        if not isinstance(name, str) or not _names_a_folder(name):
            raise ValueError(f"{path} lists the run {brief(repr(name))}, expected the name of a folder beside it")
    refuse_links(folder, *names)
    return Comparison(str(listing.get("title") or "Comparison"), tuple(names))


def _names_a_folder(name: str) -> bool:
    """Whether a name from a file leads nowhere but into the file's own folder, and is one that a system can hold."""
    return (
        name not in ("", ".", "..")
        and not set(name) & set("/\\\0")
        and len(name.encode("utf-8", "surrogatepass")) <= LONGEST_NAME
    )
