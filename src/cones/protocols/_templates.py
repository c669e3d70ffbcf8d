"""Template lists, as IJB-B and IJB-C are handed around."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..data import DataError
from .lines import check_is_file, line_of, member, read_integers, read_lines, whole_number

_IMAGES = "image template media"
_PAIRS = "template template label"
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Templates:
    """Templates, each one identity in one or more images, and the pairs of them that are compared.

    An image of a template is one of its L members. Images of one medium, such as frames of a video, share its
    number; they are usually averaged before the media are.

    Args:
        ids: (T,) int64, the templates' own numbers, ascending.
        names: the M images, each once, as paths relative to the folder.
        image: (L,) int64, for each member a position in `names`.
        template: (L,) int64, for each member the position of its template in `ids`.
        media: (L,) int64, for each member the number of its medium.
        first: (N,) int64, the first template of each pair, a position in `ids`; N = 0 without pairs.
        second: (N,) int64, the second.
        same: (N,) bool, true for a genuine pair.
        folder: where the images are; None where the lists were read without them.
    """

    ids: Tensor
    names: tuple[str, ...]
    image: Tensor
    template: Tensor
    media: Tensor
    first: Tensor
    second: Tensor
    same: Tensor
    folder: Path | None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        pairs = f"{len(self.same)} pairs, {int(self.same.sum())} genuine"
        return f"Templates({len(self)} templates of {len(self.names)} images, {pairs})"

    def images(self, position: int) -> tuple[str, ...]:
        """Return the names of the images of the template at `position` in `ids`, in the order of the list."""
        if not 0 <= position < len(self):
            raise IndexError(f"position is {position}, but there are {len(self)} templates")
        members = self.image[self.template == position].tolist()
        return tuple(self.names[member] for member in members)


def read_templates(
    images: Path | str, pairs: Path | str | None = None, folder: Path | str | None = None, *, repeats: bool = False
) -> Templates:
    """Return templates and the pairs of them.

    Args:
        images: the list of members, lines of "image template media", such as ijbc_face_tid_mid.txt.
        pairs: lines of "template template label", label 1 for genuine and 0 for impostor, such as
            ijbc_template_pair_label.txt; None for templates alone.
        folder: the images; None to take the names without looking for files.
        repeats: whether the list may hold a pair more than once, in either order.

    Returns:
        `Templates`: the images of each, by media, and the pairs of them where there is a list.

    Raises:
        DataError: if a list cannot be read, a line is not as it should be, an image is missing or stands twice in a
            template, or a pair names an unknown template, is repeated or contradicts itself.

    Reference: C. Whitelam et al., "IARPA Janus Benchmark-B Face Dataset", CVPR Workshops 2017; B. Maze et al.,
        "IARPA Janus Benchmark-C: Face Dataset and Protocol", ICB 2018.

    Example:
        >>> import tempfile
        >>> members, pairs = (Path(tempfile.mkdtemp()) / name for name in ("tid_mid.txt", "pair_label.txt"))
        >>> _ = members.write_text("1.jpg 7 1\\n2.jpg 7 1\\n3.jpg 9 2\\n")
        >>> _ = pairs.write_text("7 9 0\\n")
        >>> templates = read_templates(members, pairs)
        >>> templates
        Templates(2 templates of 3 images, 1 pairs, 0 genuine)
        >>> templates.images(0)
        ('1.jpg', '2.jpg')
    """
    names, members = _read_members(Path(images), None if folder is None else Path(folder))
    ids, template = np.unique(members[:, 1], return_inverse=True)
    compared = np.empty((0, 3), dtype=np.int64)
    if pairs is not None:
        compared = _read_pairs(Path(pairs), Path(images), ids, repeats)
    return Templates(
        ids=torch.from_numpy(ids),
        names=names,
        image=torch.from_numpy(members[:, 0].copy()),
        template=torch.from_numpy(template.reshape(-1)),
        media=torch.from_numpy(members[:, 2].copy()),
        first=torch.from_numpy(compared[:, 0].copy()),
        second=torch.from_numpy(compared[:, 1].copy()),
        same=torch.from_numpy(compared[:, 2] == 1),
        folder=None if folder is None else Path(folder),
    )


def _read_members(path: Path, folder: Path | None) -> tuple[tuple[str, ...], _Integers]:
    """Names, and for each member its image's position, template and medium."""
    if folder is not None and not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected the one that holds the images that {path} names")
    positions: dict[str, int] = {}
    seen: dict[tuple[int, int], int] = {}
    members = []
    for number, line in read_lines(path, f"lines of {_IMAGES}"):
        where, cells = f"line {number} of {path}", line.split()
        if len(cells) != 3:
            raise DataError(f"{where} has {len(cells)} columns; expected 3: {_IMAGES}")
        name, template, medium = member(cells[0], where), whole_number(cells[1]), whole_number(cells[2])
        if template is None or medium is None:
            raise DataError(f"{where} has {' '.join(cells[1:])!r}; expected whole numbers for template and media")
        if name not in positions:
            if folder is not None:
                check_is_file(folder / name, where)
            positions[name] = len(positions)
        earlier = seen.setdefault((positions[name], template), number)
        if earlier != number:
            raise DataError(f"lines {earlier} and {number} of {path} put {name} twice into template {template}")
        members.append((positions[name], template, medium))
    return tuple(positions), np.array(members, dtype=np.int64)


def _read_pairs(path: Path, images: Path, ids: _Integers, repeats: bool) -> _Integers:
    """(N, 3): two positions in `ids`, and 1 for genuine."""
    rows = read_integers(path, _PAIRS)
    unknown = ~np.isin(rows[:, :2], ids)
    if unknown.any():
        row, column = np.argwhere(unknown)[0]
        raise DataError(
            f"line {line_of(path, row)} of {path} names template {rows[row, column]}, which is not in {images}"
        )
    wrong = np.flatnonzero((rows[:, 2] != 0) & (rows[:, 2] != 1))
    if len(wrong):
        row = wrong[0]
        raise DataError(f"line {line_of(path, row)} of {path} has label {rows[row, 2]}; expected 1 or 0")
    alone = np.flatnonzero(rows[:, 0] == rows[:, 1])
    if len(alone):
        row = alone[0]
        raise DataError(f"line {line_of(path, row)} of {path} pairs template {rows[row, 0]} with itself; drop the line")
    rows[:, :2] = np.searchsorted(ids, rows[:, :2])
    _check_repeats(path, rows, ids, repeats)
    return rows


def _check_repeats(path: Path, rows: _Integers, ids: _Integers, repeats: bool) -> None:
    keys = rows[:, :2].min(axis=1) * len(ids) + rows[:, :2].max(axis=1)
    order = np.argsort(keys, kind="stable")
    again = keys[order][1:] == keys[order][:-1]
    differ = again & (rows[order, 2][1:] != rows[order, 2][:-1])
    bad = np.flatnonzero(differ if repeats or differ.any() else again)
    if not len(bad):
        return
    earlier, later = order[bad[0]], order[bad[0] + 1]
    lines = f"lines {line_of(path, earlier)} and {line_of(path, later)} of {path}"
    pair = " and ".join(str(ids[end]) for end in rows[earlier, :2])
    if differ.any():
        raise DataError(f"{lines} pair the templates {pair}, one as genuine and one as impostor; expected one answer")
    raise DataError(
        f"{lines} hold the same pair, the templates {pair}; drop one, or pass repeats=True to count it as often as it "
        "is listed"
    )
