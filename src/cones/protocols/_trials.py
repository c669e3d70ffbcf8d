"""Trial lists of speaker verification, as VoxCeleb and Kaldi write them."""

from pathlib import Path

from ..data import DataError
from ._pairs import Pairs, Row, collect
from .lines import read_lines

_EXPECTED = (
    "1 or 0, then two files (1 id1/x/1.wav id1/y/2.wav), or two files, then target or nontarget, 1 or 0, in all lines"
)
_NUMBERS = {"1": True, "0": False}
_ANSWERS = {"target": True, "nontarget": False, **_NUMBERS}


def read_trials(path: Path | str, folder: Path | str | None = None, *, repeats: bool = False) -> Pairs:
    """Return the pairs of a trial list.

    Its lines are "1 file file" for one speaker and "0 file file" for two, as in VoxCeleb, or "file file target" and
    "file file nontarget", as in Kaldi and WeSpeaker, or "file file 1" and "file file 0", as of many copies of LFW. All
    lines have one form, so that names that are numbers are not taken for answers.

    Args:
        path: the list, such as veri_test.txt or vox1_O_cleaned.kaldi, columns between spaces or tabs, UTF-8.
        folder: the recordings; None to take the names without looking for files.
        repeats: whether the list may hold a trial more than once, in either order.

    Returns:
        `Pairs` of the recordings, in the order of the list, without folds.

    Raises:
        DataError: if the list cannot be read, a line is not as it should be, or a file is missing.

    Reference: A. Nagrani, J. S. Chung, A. Zisserman, "VoxCeleb: a large-scale speaker identification dataset",
        Interspeech 2017, arXiv 1706.08612.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trials.txt"
        >>> _ = path.write_text("1 id1/x/1.wav id1/y/2.wav\\n0 id1/x/1.wav id2/z/1.wav\\n")
        >>> read_trials(path).same
        tensor([ True, False])
    """
    path, folder = Path(path), None if folder is None else Path(folder)
    lines = [(number, line.split()) for number, line in read_lines(path, _EXPECTED)]
    for number, cells in lines:
        if len(cells) != 3:
            raise DataError(f"line {number} of {path} has {len(cells)} columns; expected {_EXPECTED}")
    if _answers_are_first(path, [cells for _, cells in lines]):
        rows = [Row(number, cells[1], cells[2], _answer(path, number, cells, 0), None) for number, cells in lines]
    else:
        rows = [Row(number, cells[0], cells[1], _answer(path, number, cells, 2), None) for number, cells in lines]
    return collect(path, rows, folder, repeats)


def _answers_are_first(path: Path, lines: list[list[str]]) -> bool:
    """Say which column holds the answers: the one in which more lines have one, and words before numbers."""
    if any(cells[2] in _ANSWERS and cells[2] not in _NUMBERS for cells in lines):
        return False  # target or nontarget, even if files are called 1 and 0
    first = sum(cells[0] in _NUMBERS for cells in lines)
    last = sum(cells[2] in _ANSWERS for cells in lines)
    if first == last == len(lines):
        raise DataError(
            f"{path} has 1 or 0 in its first column and in its last, so that either may be the answers; write target "
            "and nontarget in the last"
        )
    return first >= last


def _answer(path: Path, line: int, cells: list[str], place: int) -> bool:
    if cells[place] not in (_ANSWERS if place else _NUMBERS):
        raise DataError(f"line {line} of {path} is {' '.join(cells)!r}; expected {_EXPECTED}")
    return _ANSWERS[cells[place]]
