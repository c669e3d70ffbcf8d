"""Pairs of your own, as a csv file."""

from pathlib import Path

from ..common.expressions import brief
from ..data import DataError
from ..data.csv_files import read_table
from ._pairs import Pairs, Row, collect
from .lines import whole_number

_COLUMNS = ("a", "b", "same", "fold")
_EXPECTED = "expected a first line a,b,same or a,b,same,fold"
_ANSWERS = {"1": True, "true": True, "0": False, "false": False}


def read_pairs_csv(path: Path | str, folder: Path | str | None = None, *, repeats: bool = False) -> Pairs:
    """Return the pairs of a csv file with the columns a, b, same and, if there are folds, fold.

    The first line names the columns, in any order and among others. same is 1 or 0, true or false; fold is a
    whole number from 0.

    Args:
        path: the csv file, UTF-8, separated by commas.
        folder: where a and b are, as relative paths; None to take the names without looking for files.
        repeats: whether the file may hold a pair more than once, in either order.

    Returns:
        `Pairs` of the images, in the order of the file, with folds where there is such a column.

    Raises:
        DataError: if the file cannot be read, a line is not as it should be, or an image is missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.csv"
        >>> _ = path.write_text("a,b,same\\nann/1.jpg,ann/2.jpg,1\\nann/1.jpg,bob/1.jpg,0\\n")
        >>> read_pairs_csv(path)
        Pairs(2 pairs of 3 files, 1 genuine, no folds)
    """
    path, folder = Path(path), None if folder is None else Path(folder)
    table = read_table(path)
    if not table:
        raise DataError(f"{path} is empty; {_EXPECTED}")
    (line, header), *lines = table
    names = [cell.lower() for cell in header]
    if not {"a", "b", "same"} <= set(names):
        raise DataError(f"line {line} of {path} is {brief(repr(','.join(header)))}; {_EXPECTED}")
    twice = [name for name in _COLUMNS if names.count(name) > 1]
    if twice:
        raise DataError(f"line {line} of {path} has two columns {twice[0]!r}; {_EXPECTED}")
    if not lines:
        raise DataError(f"{path} lists no pair; expected lines below its header")
    places = [names.index(column) for column in _COLUMNS if column in names]
    rows = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"line {number} of {path} has {len(cells)} columns, the header has {len(header)}")
        rows.append(_row(path, number, [cells[place] for place in places], len(lines)))
    return collect(path, rows, folder, repeats)


def _row(path: Path, line: int, cells: list[str], most: int) -> Row:
    first, second, answer, *folds = cells
    if answer.lower() not in _ANSWERS:
        raise DataError(f"line {line} of {path} has same {brief(repr(answer))}; expected 1 or 0, true or false")
    fold = whole_number(folds[0]) if folds else None
    if folds and (fold is None or not 0 <= fold < most):
        raise DataError(
            f"line {line} of {path} has fold {brief(repr(folds[0]))}; expected a whole number from 0 and below {most}, "
            f"the pairs"
        )
    return Row(line, first, second, _ANSWERS[answer.lower()], fold)
