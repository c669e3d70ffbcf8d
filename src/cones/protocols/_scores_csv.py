"""Pairs whose scores somebody else has computed, as a csv file."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import DataError
from ._embeddings import as_classes
from ._pair_columns import parse_same, read_columns


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
    scores, same, subjects = [], [], []
    for number, (score, answer, *both) in read_columns(path, ("score", "same"), ("subject_a", "subject_b")):
        scores.append(_number(path, number, score))
        same.append(parse_same(path, number, answer))
        subjects += both
        if both and (both[0] == both[1] != "-1") != same[-1]:
            raise DataError(f"line {number} of {path} pairs the subjects {both[0]} and {both[1]} with same {answer}")
    names, numbers = as_classes(np.array(subjects)) if subjects else ((), None)
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
