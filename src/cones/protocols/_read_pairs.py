"""Lists of pairs in any of the known forms."""

from pathlib import Path

from ._lfw import read_lfw_pairs
from ._pairs import Pairs
from ._pairs_csv import read_pairs_csv
from ._trials import read_trials
from .lines import ListForm, read_lines


def read_pairs(
    path: Path | str, folder: Path | str | None = None, *, form: ListForm = "auto", repeats: bool = False
) -> Pairs:
    """Return the pairs of a list in one of the forms of `read_pairs_csv`, `read_lfw_pairs` and `read_trials`.

    Args:
        path: the list.
        folder: where the files are that it names; None to take the names without looking for files.
        form: of the list; "auto" takes csv by the suffix, lfw where the first line is one or two numbers, else trials.
        repeats: whether the list may hold a pair more than once, in either order.

    Returns:
        `Pairs` of the files, in the order of the list.

    Raises:
        DataError: the list is broken, or a file is missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.txt"
        >>> _ = path.write_text("ann/1.jpg ann/2.jpg 1\\nann/1.jpg bob/1.jpg 0\\n")
        >>> read_pairs(path)
        Pairs(2 pairs of 3 files, 1 genuine, no folds)
    """
    path = Path(path)
    if form == "auto":
        form = _form_of(path)
    match form:
        case "csv":
            return read_pairs_csv(path, folder, repeats=repeats)
        case "lfw":
            return read_lfw_pairs(path, folder, repeats=repeats)
        case _:
            return read_trials(path, folder, repeats=repeats)


def _form_of(path: Path) -> ListForm:
    if path.suffix.lower() == ".csv":
        return "csv"
    first = read_lines(path, "lines of pairs")[0][1].split()
    return "lfw" if 1 <= len(first) <= 2 and all(cell.isdecimal() for cell in first) else "trials"
