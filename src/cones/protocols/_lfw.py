"""The pairs.txt of Labeled Faces in the Wild."""

from pathlib import Path

from ..data import DataError
from ..data.formats import readable
from ._pairs import Pairs, Row, collect
from .lines import read_lines, whole_number

_EXPECTED = "a first line of folds and pairs (10 300), then name n1 n2 or name1 n1 name2 n2"


def read_lfw_pairs(
    path: Path | str, folder: Path | str | None = None, *, suffix: str | None = None, repeats: bool = False
) -> Pairs:
    """Return the pairs of an LFW list.

    Its first line is "folds pairs", such as "10 300": each fold is then 300 genuine and 300 impostor lines. Or it
    is "pairs" alone, as in pairsDevTest.txt: as many genuine and as many impostor lines, without folds. A genuine
    line is "name n1 n2", an impostor line "name1 n1 name2 n2"; image n of a name is name/name_000n.jpg.

    Args:
        path: the list, columns between tabs or spaces, UTF-8.
        folder: the images, a folder for each name; None to take the names without looking for files.
        suffix: of the image files; None takes the one that the folder has, as aligned copies are often ".png", and
            ".jpg" without a folder.
        repeats: whether the list may hold a pair more than once, in either order.

    Returns:
        `Pairs` of the images, in the order of the list, with folds where its first line names them.

    Raises:
        DataError: if the list cannot be read, a line is not as it should be, the number of pairs is not the
            announced one, or an image is missing.

    Reference: G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, "Labeled Faces in the Wild: A Database for
        Studying Face Recognition in Unconstrained Environments", Technical Report 07-49, University of
        Massachusetts, Amherst, 2007.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.txt"
        >>> _ = path.write_text("1 1\\nAnn 1 4\\nAnn 2 Bob 1\\n")
        >>> pairs = read_lfw_pairs(path)
        >>> pairs.names
        ('Ann/Ann_0001.jpg', 'Ann/Ann_0004.jpg', 'Ann/Ann_0002.jpg', 'Bob/Bob_0001.jpg')
    """
    path, folder = Path(path), None if folder is None else Path(folder)
    (line, header), *lines = read_lines(path, _EXPECTED)
    folds, size = _header(path, line, header)
    endings = (suffix,) if suffix is not None else (".jpg", *sorted(readable())) if folder is not None else (".jpg",)
    if len(lines) != folds * 2 * size:
        raise DataError(
            f"{path} announces {folds} x (genuine {size} + impostor {size}) pairs in line {line}, but has {len(lines)}"
        )
    has_folds = len(header.split()) == 2
    rows = []
    for place, (number, text) in enumerate(lines):
        first, second, same = _pair(path, number, text)
        first, second = (_image(folder, stem, endings) for stem in (first, second))
        rows.append(Row(number, first, second, same, place // (2 * size) if has_folds else None))
    for fold in range(folds):
        part = rows[fold * 2 * size : (fold + 1) * 2 * size]
        genuine = sum(row.same for row in part)
        if genuine != size:
            raise DataError(
                f"lines {part[0].line} to {part[-1].line} of {path} hold {genuine} genuine and {len(part) - genuine} "
                f"impostor pairs; expected {size} of each in a fold"
            )
    return collect(path, rows, folder, repeats)


def _image(folder: Path | None, stem: str, endings: tuple[str, ...]) -> str:
    """The image under the first suffix that is there, else under the first, which is then named as missing."""
    if folder is None or len(endings) == 1:
        return stem + endings[0]
    return stem + next((ending for ending in endings if (folder / (stem + ending)).is_file()), endings[0])


def _header(path: Path, line: int, header: str) -> tuple[int, int]:
    """Folds, and genuine pairs a fold."""
    numbers = [whole_number(cell) for cell in header.split()]
    if len(numbers) not in (1, 2) or any(number is None or number < 1 for number in numbers):
        raise DataError(
            f"line {line} of {path} is {header!r}; expected {_EXPECTED}; lines of two files and 1 or 0 are a list of "
            "trials"
        )
    folds, size = numbers if len(numbers) == 2 else (1, numbers[0])
    assert folds is not None  # it was checked above
    assert size is not None
    return folds, size


def _pair(path: Path, line: int, text: str) -> tuple[str, str, bool]:
    """Return both images, without suffix, and whether they are of one name."""
    cells = [cell.strip() for cell in text.split("\t")] if "\t" in text else text.split()
    if len(cells) not in (3, 4):
        raise DataError(f"line {line} of {path} has {len(cells)} columns; expected name n1 n2 or name1 n1 name2 n2")
    names, numbers = (cells[0], cells[-2] if len(cells) == 4 else cells[0]), (cells[1], cells[-1])
    images = []
    for name, number in zip(names, numbers, strict=True):
        value = whole_number(number)
        if value is None or value < 1:
            raise DataError(f"line {line} of {path} has {number!r} for an image of {name}; expected 1, 2, ...")
        images.append(f"{name}/{name}_{value:04d}")
    if len(cells) == 4 and names[0] == names[1]:
        raise DataError(
            f"line {line} of {path} has four columns, an impostor pair, but {names[0]} twice; expected name n1 n2"
        )
    return images[0], images[1], len(cells) == 3
