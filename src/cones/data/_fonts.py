"""Font files below a folder, and the faces in them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ._scan import PassedOver

SUFFIXES = frozenset((".otc", ".otf", ".ttc", ".ttf"))
_OTHERS = frozenset((".bdf", ".dfont", ".eot", ".pcf", ".pfa", ".pfb", ".woff", ".woff2"))


@dataclass(frozen=True)
class Face:
    """One face of a font file; a collection (.ttc, .otc) holds several.

    Args:
        source: the folder the file was found in, relative to where the search began: the package's name there.
        path: the file.
        sha256: of the file.
        index: the face's place in the file, from 0.
    """

    source: str
    path: Path
    sha256: str
    index: int

    @property
    def name(self) -> str:
        """The file's name, with #2 behind it for the third face of a collection."""
        return f"{self.path.name}#{self.index}" if self.index else self.path.name


def find_faces(folder: Path) -> list[Face]:
    """Return the faces of all font files below `folder`, in the order of their paths."""
    faces = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()):
        data = path.read_bytes()
        source, sha256 = path.parent.relative_to(folder).as_posix(), hashlib.sha256(data).hexdigest()
        faces += [Face(source, path, sha256, index) for index in range(_count(data))]
    return faces


def unread_fonts(folder: Path) -> list[PassedOver]:
    """Return what `find_faces` does not read below `folder`: fonts in other formats, links to nothing or to folders."""
    unread = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.exists():
            unread.append(PassedOver(path, "broken link"))
        elif path.is_symlink() and path.is_dir():
            unread.append(PassedOver(path, "link to a folder"))
        elif path.suffix.lower() in _OTHERS:
            unread.append(PassedOver(path, "neither .ttf, .otf, .ttc nor .otc"))
    return unread


def _count(data: bytes) -> int:
    """The faces in a file: a collection says it in its header, any other file holds one."""
    count = int.from_bytes(data[8:12], "big") if data[:4] == b"ttcf" else 1
    return count if 12 + 4 * count <= len(data) else 1  # a damaged header, which the first face will show
