"""Pairs of your own, as a csv file."""

from pathlib import Path

from ..common.expressions import brief
from ..data import DataError
from ._pair_columns import parse_same, read_columns
from ._pairs import Pairs, Row, collect
from .lines import whole_number


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
    lines = read_columns(path, ("a", "b", "same"), ("fold",))
    rows = [_row(path, number, cells, len(lines)) for number, cells in lines]
    return collect(path, rows, folder, repeats)


def _row(path: Path, line: int, cells: list[str], most: int) -> Row:
    first, second, answer, *folds = cells
    same = parse_same(path, line, answer)
    fold = whole_number(folds[0]) if folds else None
    if folds and (fold is None or not 0 <= fold < most):
        raise DataError(
            f"line {line} of {path} has fold {brief(repr(folds[0]))}; expected a whole number from 0 and below {most}, "
            f"the pairs"
        )
    return Row(line, first, second, same, fold)
