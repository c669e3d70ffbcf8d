"""Files that are either the old one or the new one, never half of either; folders that are whole or not there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` only once it is whole.

    What was written is flushed to the disk and then renamed over `path`. If the body raises (a full disk, a
    key press), the half-written file is removed and the one that stood at `path` is left as it was.

    Args:
        path: the file to write; its folder is made when it is missing.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with replacing(folder / "a.txt") as aside:
        ...     _ = aside.write_text("whole")
        >>> (folder / "a.txt").read_text()
        'whole'
    """
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.chmod(0o666 & ~_umask())  # mkstemp makes a private file; a result is as readable as any other
        os.replace(aside, path)
        _flush_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` to fill; it gets that name only once the body has ended well.

    If the body raises, the folder is removed with all that was written to it, and `path` is left as it was.

    Args:
        path: the folder to make; it may be there already if it is empty.

    Raises:
        FileExistsError: path is a file, or a folder that holds something.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "both"
        >>> with whole_folder(folder) as aside:
        ...     _ = (aside / "a.txt").write_text("whole")
        >>> (folder / "a.txt").read_text()
        'whole'
    """
    check_free(path)
    _make_folder(path.parent)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield aside
        for file in aside.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        aside.chmod(0o777 & ~_umask())  # mkdtemp makes a private folder
        if path.exists():
            path.rmdir()
        os.rename(aside, path)
        _flush_folder(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_free(path: Path) -> None:
    """Raise FileExistsError if `path` is a file, or a folder that holds something."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} is there already, expected a new or an empty folder: write to another one")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all (see `replacing`)."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"{folder} is a file or below one, expected a folder: write to another") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable; a file system that cannot open folders keeps its own promises."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
