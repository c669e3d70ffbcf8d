from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..common.regular_file import not_a_file
from ..data import DataError
from ..evaluation import Evaluation
from ..evaluation.sources import Images, SubjectNames
from ..protocols import decode_pictures


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation with the images and names that a report shows beside it.

    Attributes:
        title: of the report, such as the name of the file.
        evaluation: the figures.
        images: (C, H, W) uint8 by row; None where there are none.
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
    """Pictures of rows, each read from its file on access.

    Attributes:
        files: one per row.
    """

    files: Sequence[Path]

    def __getitem__(self, row: int) -> Tensor:
        if fault := not_a_file(self.files[row]):
            raise DataError(f"{fault}; expected a picture")
        try:
            encoded = self.files[row].read_bytes()
        except OSError as error:
            raise DataError(f"{self.files[row]} cannot be read ({error.strerror}); expected a picture") from error
        return decode_pictures(str(self.files[row]), [encoded])[0]
