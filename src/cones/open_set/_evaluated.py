from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..data import DataError
from ..evaluation import Evaluation
from ..protocols import decode_pictures

SubjectNames = Sequence[str] | Mapping[int, str]


class Images(Protocol):
    """Gives the image (C, H, W) uint8 of an evaluated row."""

    def __getitem__(self, row: int) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation with what a report can show beside it.

    Attributes:
        title: what was evaluated.
        evaluation: the figures.
        images: of the rows; None where there are none.
        names: of the rows; None where there are none.
        subject_names: by label; None where there are none.
    """

    title: str
    evaluation: Evaluation
    images: Images | None = None
    names: Sequence[str] | None = None
    subject_names: SubjectNames | None = None


@dataclass(frozen=True)
class PictureFiles:
    """The pictures of rows, read from their files when they are asked for.

    Attributes:
        files: one a row.
    """

    files: Sequence[Path]

    def __getitem__(self, row: int) -> Tensor:
        try:
            encoded = self.files[row].read_bytes()
        except OSError as error:
            raise DataError(f"{self.files[row]} cannot be read ({error.strerror}); expected a picture") from error
        return decode_pictures(str(self.files[row]), [encoded])[0]
