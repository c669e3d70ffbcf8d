"""Trial lists of speaker verification, as VoxCeleb and Kaldi write them."""

from pathlib import Path

from ..data import DataError
from ._lines import read_lines
from ._pairs import Pairs, Row, collect

_EXPECTED = "1 or 0, then two files (1 id1/x/1.wav id1/y/2.wav), or two files, then target or nontarget"
_BEFORE = {"1": True, "0": False}
_BEHIND = {"target": True, "nontarget": False}


def read_trials(path: Path | str, folder: Path | str | None = None, *, repeats: bool = False) -> Pairs:
    """Return the pairs of a trial list.

    Its lines are all "1 file file" for one speaker and "0 file file" for two, as in VoxCeleb, or all "file file target"
    and "file file nontarget", as in Kaldi and WeSpeaker, whose files may be called 1 and 0.

    Args:
        path: the list, such as veri_test.txt or vox1_O_cleaned.kaldi, columns between spaces or tabs, UTF-8.
        folder: the recordings; None to take the names without looking for files.
        repeats: whether a trial may stand in the list more than once, in either order.

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
    # a list has one form: files that are called 1 or 0 must not make a Kaldi line one of VoxCeleb
    kaldi = any(cells[2] in _BEHIND for _, cells in lines)
    rows = []
    for number, cells in lines:
        answer = _BEHIND.get(cells[2]) if kaldi else _BEFORE.get(cells[0])
        if answer is None:
            form = "the lines around it end in target or nontarget" if kaldi else f"expected {_EXPECTED}"
            raise DataError(f"line {number} of {path} is {' '.join(cells)!r}; {form}")
        first, second = cells[:2] if kaldi else cells[1:]
        rows.append(Row(number, first, second, answer, None))
    return collect(path, rows, folder, repeats)
