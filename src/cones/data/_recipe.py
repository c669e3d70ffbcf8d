"""Recipe of a named data set: its files, their checksums, and the package that carries them."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from ._files import DataError
from ._package import Package


@dataclass(frozen=True)
class File:
    """One file of a named set.

    Args:
        name: its name in the data folder; the same with .gz at the end, gzipped, does as well.
        sha256: of its contents, uncompressed.
        member: its path inside the package; empty where the package's archive itself is the file.
    """

    name: str
    sha256: str
    member: str = ""

    @property
    def stored(self) -> str:
        """The name that a fetched file is given: gzipped if it comes so."""
        return Path(self.member).name or self.name


@dataclass(frozen=True)
class Recipe:
    """A named data set: what it is, its files, and the package that carries them."""

    name: str
    about: str
    count: int
    num_classes: int
    shape: tuple[int, int, int]
    files: tuple[File, ...]
    package: Package

    def find(self, file: File, root: Path) -> Path | None:
        """Return where `file` lies: in the data folder, else in the installed package, else None."""
        for path in (root / self.name / file.name, root / self.name / f"{file.name}.gz"):
            if path.is_file():
                return path
        return self.package.installed(file.member) if file.member else None


def read_checked(recipe: Recipe, file: File, path: Path, root: Path) -> bytes:
    """Return the contents of `path`, uncompressed, once their checksum is seen to be right.

    Raises:
        DataError: if the file cannot be read, or is not the one that the set is made of.
    """
    ours = path.is_relative_to(root)
    remedy = f"delete it and load {recipe.name} again" if ours else f"reinstall {recipe.package.requirement}"
    try:
        contents = uncompressed(path.name, path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); fix its permissions, or {remedy}") from error
    except DataError as error:
        raise DataError(f"{path} is damaged: {error}, expected sha256 {file.sha256}; {remedy}") from error
    actual = hashlib.sha256(contents).hexdigest()
    if actual != file.sha256:
        raise DataError(
            f"{path} is truncated or altered: its contents have sha256 {actual}, expected {file.sha256}; {remedy}"
        )
    return contents


def uncompressed(name: str, data: bytes) -> bytes:
    """Return `data`, gunzipped if `name` ends in .gz.

    Raises:
        DataError: if it is not a complete gzip file, with the sha256 of the data as it is.
    """
    if not name.endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"not a complete gzip file (it has sha256 {hashlib.sha256(data).hexdigest()})") from error
