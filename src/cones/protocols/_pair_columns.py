"""Csv files of pairs, whose first line names the columns, in any order and among others."""

from collections.abc import Iterator
from pathlib import Path

from ..common.expressions import brief
from ..data import DataError
from ..data.csv_files import read_table

_ANSWERS = {"1": True, "true": True, "0": False, "false": False}


def read_columns(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Return the number of each line below the header, and its cells in the columns asked for.

    Args:
        path: the csv file, UTF-8, separated by commas.
        required: names of columns.
        optional: names of columns of which the file has all or none; their cells come last.

    Raises:
        DataError: if the file cannot be read or has no pair, or its columns are others.
    """
    expected = f"expected a first line {','.join(required)} or {','.join(required + optional)}"
    table = read_table(path)
    if not table:
        raise DataError(f"{path} is empty; {expected}")
    (line, header), *lines = table
    names = [cell.lower() for cell in header]
    wanted = required + tuple(name for name in optional if name in names)
    if not set(required) <= set(names) or len(wanted) not in (len(required), len(required + optional)):
        raise DataError(f"line {line} of {path} is {brief(repr(','.join(header)))}; {expected}")
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise DataError(f"line {line} of {path} has two columns {twice[0]!r}; {expected}")
    if not lines:
        raise DataError(f"{path} lists no pair; expected lines below its header")
    places = [names.index(name) for name in wanted]
    return [(number, [cells[place] for place in places]) for number, cells in _whole(path, lines, len(header))]


def _whole(path: Path, lines: list[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    for number, cells in lines:
        if len(cells) != width:
            raise DataError(f"line {number} of {path} has {len(cells)} columns, the header has {width}")
        yield number, cells


def parse_same(path: Path, line: int, cell: str) -> bool:
    """Return whether a cell says that both ends of a pair are of one subject.

    Raises:
        DataError: if it is none of 1, 0, true and false.
    """
    if cell.lower() not in _ANSWERS:
        raise DataError(f"line {line} of {path} has same {brief(repr(cell))}; expected 1 or 0, true or false")
    return _ANSWERS[cell.lower()]
