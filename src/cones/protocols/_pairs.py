"""Pairs of files, the common form of all lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import DataError
from .lines import check_is_file, member


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of images or recordings, each with the answer whether both show one identity.

    A file in many pairs has one name, so that it is embedded once.

    Args:
        names: the M files, each once, as paths relative to the folder, in the order they are first named.
        first: (N,) int64, the first file of each pair, a position in `names`.
        second: (N,) int64, the second.
        same: (N,) bool, true for a genuine pair.
        fold: (N,) int64 from 0, for cross-validation; None where the list has none.
        folder: where the files are; None where the list was read without them.

    Example:
        >>> ends = torch.tensor([0, 0]), torch.tensor([1, 2])
        >>> Pairs(("a.jpg", "b.jpg", "c.jpg"), *ends, torch.tensor([True, False]), None, None)
        Pairs(2 pairs of 3 files, 1 genuine, no folds)
    """

    names: tuple[str, ...]
    first: Tensor
    second: Tensor
    same: Tensor
    fold: Tensor | None
    folder: Path | None

    def __len__(self) -> int:
        return len(self.same)

    def __repr__(self) -> str:
        folds = "no folds" if self.fold is None else f"{len(self.fold.unique())} folds"
        return f"Pairs({len(self)} pairs of {len(self.names)} files, {int(self.same.sum())} genuine, {folds})"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The M files as paths.

        Raises:
            ValueError: if the list was read without a folder.
        """
        if self.folder is None:
            raise ValueError("folder is None: the list was read without its files; pass folder=PATH to the reader")
        return tuple(self.folder / name for name in self.names)


class Row(NamedTuple):
    """One pair as a line writes it."""

    line: int
    first: str
    second: str
    same: bool
    fold: int | None


def collect(path: Path, rows: Sequence[Row], folder: Path | None, repeats: bool) -> Pairs:
    """Return the pairs of the rows of a list.

    Args:
        path: the list, for errors.
        rows: N >= 1 pairs; all have a fold or none has.
        folder: where the files are, each of which must exist; None to take the names as they are.
        repeats: whether the list may hold a pair more than once.

    Raises:
        DataError: if a name leads out of the folder or is not a file, a file is paired with itself, or a pair is
            repeated or contradicts itself.
    """
    if folder is not None and not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected the one that holds the files that {path} names")
    positions: dict[str, int] = {}
    seen: dict[tuple[int, int], Row] = {}
    pairs = []
    for row in rows:
        where = f"line {row.line} of {path}"
        pair = _position(row.first, where, folder, positions), _position(row.second, where, folder, positions)
        if pair[0] == pair[1]:
            raise DataError(f"{where} pairs {row.first} with itself; expected two files: drop the line")
        earlier = seen.setdefault((min(pair), max(pair)), row)
        if earlier is not row:
            _check_repeat(path, earlier, row, repeats)
        pairs.append(pair)
    folds = [row.fold for row in rows if row.fold is not None]
    first, second = torch.tensor(pairs, dtype=torch.int64).unbind(dim=1)
    return Pairs(
        names=tuple(positions),
        first=first,
        second=second,
        same=torch.tensor([row.same for row in rows]),
        fold=torch.tensor(folds, dtype=torch.int64) if folds else None,
        folder=folder,
    )


def _position(name: str, where: str, folder: Path | None, positions: dict[str, int]) -> int:
    name = member(name, where)
    if name not in positions:
        if folder is not None:
            check_is_file(folder / name, where)
        positions[name] = len(positions)
    return positions[name]


def _check_repeat(path: Path, earlier: Row, row: Row, repeats: bool) -> None:
    if earlier.same != row.same:
        raise DataError(
            f"lines {earlier.line} and {row.line} of {path} pair {row.first} and {row.second}, one as genuine and one "
            "as impostor; expected one answer"
        )
    if not repeats:
        raise DataError(
            f"lines {earlier.line} and {row.line} of {path} hold the same pair, {row.first} and {row.second}; "
            "drop one, or pass repeats=True to count it as often as it is listed"
        )
