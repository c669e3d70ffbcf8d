"""Pairs whose scores somebody else has computed, as a csv file."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import DataError
from ..data.csv_files import read_table
from ._embeddings import as_classes

_EXPECTED = "expected a first line score,same or score,same,subject_a,subject_b"
_ANSWERS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Scores of N pairs.

    Args:
        scores: (N,) float64, all finite.
        same: (N,) bool, true for a genuine pair.
        subjects: (N, 2) int64, positions in `names` of the subjects at both ends, or -1 for one that is not known; None
            where the file has none.
        names: of the subjects; empty without.
    """

    scores: Tensor
    same: Tensor
    subjects: Tensor | None
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.same)


def read_scores_csv(path: Path | str) -> ScoredPairs:
    """Return the scores of a csv file with the columns score and same and, if they are known, subject_a and subject_b.

    The first line names the columns, in any order and among others. same is 1 or 0, true or false.

    Args:
        path: the csv file, UTF-8, separated by commas.

    Returns:
        `ScoredPairs`, in the order of the file.

    Raises:
        DataError: if the file cannot be read, a line is not as it should be, or the subjects contradict same.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
        >>> _ = path.write_text("score,same\\n0.9,1\\n-0.1,0\\n")
        >>> read_scores_csv(path).scores
        tensor([ 0.9000, -0.1000], dtype=torch.float64)
    """
    path = Path(path)
    table = read_table(path)
    if not table:
        raise DataError(f"{path} is empty; {_EXPECTED}")
    (line, header), *lines = table
    columns = [cell.lower() for cell in header]
    subject_columns = [name for name in ("subject_a", "subject_b") if name in columns]
    wanted = ["score", "same", *subject_columns]
    if any(columns.count(name) != 1 for name in wanted) or len(subject_columns) == 1:
        raise DataError(f"line {line} of {path} is {','.join(header)!r}; {_EXPECTED}")
    if not lines:
        raise DataError(f"{path} lists no pair; expected lines below its header")
    scores, same, subjects = [], [], []
    for number, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"line {number} of {path} has {len(cells)} columns, the header has {len(header)}")
        score, answer, *both = (cells[columns.index(name)] for name in wanted)
        scores.append(_number(path, number, score))
        same.append(_answer(path, number, answer))
        subjects += both
        if both and (both[0] == both[1] != "-1") != same[-1]:
            raise DataError(f"line {number} of {path} pairs the subjects {both[0]} and {both[1]} with same {answer}")
    names, numbers = as_classes(np.array(subjects)) if subject_columns else ((), None)
    return ScoredPairs(
        torch.tensor(scores, dtype=torch.float64),
        torch.tensor(same),
        None if numbers is None else numbers.view(-1, 2),
        names,
    )


def _number(path: Path, line: int, cell: str) -> float:
    try:
        score = float(cell)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise DataError(f"line {line} of {path} has score {cell!r}; expected a finite number")
    return score


def _answer(path: Path, line: int, cell: str) -> bool:
    if cell.lower() not in _ANSWERS:
        raise DataError(f"line {line} of {path} has same {cell!r}; expected 1 or 0, true or false")
    return _ANSWERS[cell.lower()]
