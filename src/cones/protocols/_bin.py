"""The .bin verification sets of insightface: lfw.bin, cfp_fp.bin, agedb_30.bin and their like."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..data import DataError
from ._plain_pickle import read_plain_pickle

_EXPECTED = "expected (2N images as bytes, N answers)"


@dataclass(frozen=True, eq=False)
class ImagePairs:
    """Pairs of image files in memory, each with the answer whether both show one identity.

    Args:
        images: the 2N files, JPEG or PNG, still encoded; pair i is images[2i] and images[2i + 1].
        same: (N,) bool, true for a genuine pair.
    """

    images: tuple[bytes, ...]
    same: Tensor

    def __len__(self) -> int:
        return len(self.same)

    def __repr__(self) -> str:
        return f"ImagePairs({len(self)} pairs, {int(self.same.sum())} genuine)"

    @property
    def first(self) -> Tensor:
        """(N,) int64, the first image of each pair, a position in `images`."""
        return torch.arange(0, len(self.images), 2)

    @property
    def second(self) -> Tensor:
        """(N,) int64, the second."""
        return torch.arange(1, len(self.images), 2)


def read_bin(path: Path | str) -> ImagePairs:
    """Return the pairs of an insightface .bin file, without executing the pickled code in it.

    The file is a pickle of (images, answers), lists or tuples: 2N encoded images as bytes, N answers True or False,
    or 1 or 0. `cones.protocols.decode_pictures` makes a tensor of the images.

    Args:
        path: the file, a pickle of protocol 2 to 5, of Python 2 or 3.

    Returns:
        the 2N images, still encoded, and (N,) bool whether the two of a pair are of one person.

    Raises:
        DataError: if the file cannot be read, is damaged, holds anything else (NumPy arrays too), or asks for code.

    Example:
        >>> import pickle, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "toy.bin"
        >>> _ = path.write_bytes(pickle.dumps(([b"jpeg 1", b"jpeg 2", b"jpeg 3", b"jpeg 4"], [True, False])))
        >>> read_bin(path)
        ImagePairs(2 pairs, 1 genuine)
    """
    path = Path(path)
    content = read_plain_pickle(path)
    if not (isinstance(content, list | tuple) and len(content) == 2):
        raise DataError(f"{path} holds {_kind(content)}; {_EXPECTED}")
    images, answers = content
    if not (isinstance(images, list | tuple) and isinstance(answers, list | tuple)):
        raise DataError(f"{path} holds {_kind(images)} and {_kind(answers)}; {_EXPECTED}")
    if not answers or len(images) != 2 * len(answers):
        raise DataError(f"{path} holds {len(images)} images and {len(answers)} answers; {_EXPECTED}, N at least 1")
    for position, image in enumerate(images):
        if not isinstance(image, bytes) or not image:
            raise DataError(f"image {position} of {path} is {_kind(image)}; expected the bytes of an image file")
    for position, answer in enumerate(answers):
        if not isinstance(answer, int) or answer not in (0, 1):
            got = str(answer) if isinstance(answer, int) else _kind(answer)
            raise DataError(f"answer {position} of {path} is {got}; expected True or False")
    return ImagePairs(tuple(images), torch.tensor([bool(answer) for answer in answers]))


def _kind(value: object) -> str:
    """Type and length, such as list[3]."""
    length = f"[{len(value)}]" if isinstance(value, list | tuple | bytes | str) else ""
    return f"{type(value).__name__}{length}"
