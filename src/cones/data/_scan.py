"""Pictures in a folder, and the files there that are passed over."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ._files import DataError
from .formats import readable, why_passed_over

_EXAMPLES = 3


@dataclass(frozen=True)
class PassedOver:
    """A file that is not read.

    Args:
        file: its path.
        why: reason, short enough for one line that lists several.
    """

    file: Path
    why: str


@dataclass(frozen=True)
class ScannedFolder:
    """Files of a folder; hidden ones are left out.

    Args:
        folder: the folder.
        pictures: right in it, sorted by name.
        unread: right in it, the files that are not pictures, or none that can be read.
        folders: right in it, sorted by name.
    """

    folder: Path
    pictures: tuple[Path, ...]
    unread: tuple[PassedOver, ...]
    folders: tuple["ScannedFolder", ...]

    def below(self) -> Iterator[Path]:
        """Pictures in the folders below, at any depth."""
        for inner in self.folders:
            yield from inner.pictures
            yield from inner.below()

    def all_unread(self) -> Iterator[PassedOver]:
        """Files that cannot be read, right in the folder and at any depth below it."""
        yield from self.unread
        for inner in self.folders:
            yield from inner.all_unread()


def scan(folder: Path) -> ScannedFolder:
    """Return the files in `folder` and below it. Links are followed, but for those to a folder around them.

    Raises:
        DataError: if a folder cannot be listed.
    """
    return _scan(folder, frozenset())


def tell(name: str, passed_over: Iterable[PassedOver], root: Path) -> None:
    """Print one line to stderr that says how many files are passed over, why, and which for example.

    Args:
        name: what the set is called.
        passed_over: the files; none prints nothing.
        root: examples are named relative to this folder.
    """
    reasons: dict[str, list[str]] = {}
    for entry in passed_over:
        reasons.setdefault(entry.why, []).append(_shown(entry.file, root))
    if reasons:
        total = sum(map(len, reasons.values()))
        parts = [f"{len(files)} {why} ({_examples(files)})" for why, files in reasons.items()]
        files = "file" if total == 1 else "files"
        _print_once(f"cones: {name}: {total} {files} passed over: {'; '.join(parts)}")


@cache
def _print_once(line: str) -> None:
    """A comparison reads the same data for each of its runs."""
    print(line, file=sys.stderr)


def _scan(folder: Path, around: frozenset[Path]) -> ScannedFolder:
    pictures: list[Path] = []
    unread: list[PassedOver] = []
    folders: list[ScannedFolder] = []
    here = around | {folder.resolve()}
    for entry in _entries(folder):
        path = Path(entry)
        if _is_dir(entry) and path.resolve() in here:
            unread.append(PassedOver(path, "link to a folder around it"))
        elif _is_dir(entry):
            folders.append(_scan(path, here))
        elif not path.is_file():
            unread.append(PassedOver(path, "broken link" if path.is_symlink() else "no regular file"))
        elif path.suffix.lower() in readable():
            pictures.append(path)
        else:
            unread.append(PassedOver(path, why_passed_over(path.suffix.lower())))
    return ScannedFolder(folder, tuple(pictures), tuple(unread), tuple(folders))


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); expected a folder you may read") from error
    return sorted(shown, key=lambda entry: entry.name)


def _is_dir(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _shown(file: Path, root: Path) -> str:
    """The file relative to `root`, without anything that a terminal would act on."""
    text = (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _examples(files: list[str]) -> str:
    return ", ".join([*files[:_EXAMPLES], *["..."] * (len(files) > _EXAMPLES)])
