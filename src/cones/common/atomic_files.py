"""Files that are either the old one or the new one, never half of either; folders that are whole or not there.

What is written lies aside under a name of its own, and is locked for as long as its process lives: what a killed
process left there is thus known from what another is still writing, and the next one removes it.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_ASIDE = re.compile(r"\.(?P<target>.+)\.cones-[a-z0-9_]{8}(\.\w+)?")
"""The name of what is written aside: `.last.safetensors.cones-k3x9a_b2.safetensors`."""


class WriteError(OSError):
    """Raised where a file or a folder cannot be written; the text names it, the reason and the fix.

    Args:
        path: the file or folder that was to be written, not what lies aside for it.
        reason: of the system, or in words.
    """

    def __init__(self, path: Path, reason: OSError | str) -> None:
        self.path = path
        self.reason = reason if isinstance(reason, str) else reason.strerror or str(reason)
        super().__init__(f"cannot write {path} ({self.reason}): write to another place (--out)")

    def __reduce__(self) -> tuple[type["WriteError"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)  # else it cannot come back from another process


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's errors in the body, and those of what lies aside, into a WriteError of `path`."""
    try:
        yield
    except WriteError as error:
        if error.path == path:
            raise
        raise WriteError(path, error.reason) from error
    except OSError as error:
        raise WriteError(path, error) from error


def check_file_place(path: Path) -> None:
    """Raise WriteError if no file can be written to `path`, so that a command learns it before it computes."""
    with writing(path):
        check_folder_place(path.parent)
        _check_replaceable(path)


def check_folder_place(folder: Path) -> None:
    """Raise WriteError if no file can be written to `folder`, which may be missing; nothing is left there."""
    with writing(folder):
        there = next(place for place in (folder, *folder.absolute().parents) if _exists(place))
        if not there.is_dir():
            raise WriteError(folder, f"{there} is a file, expected a folder")
        with tempfile.TemporaryFile(dir=there):  # permissions tell less: nobody can write to some file systems
            pass


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` only once it is whole.

    What was written is flushed to the disk and then renamed over `path`. If the body raises (a full disk, a
    key press), the half-written file is removed and the one that stood at `path` is left as it was.

    Args:
        path: the file to write; its folder is made when it is missing.

    Raises:
        WriteError: for any OSError, of the body too.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with replacing(folder / "a.txt") as aside:
        ...     _ = aside.write_text("whole")
        >>> (folder / "a.txt").read_text()
        'whole'
    """
    with writing(path):
        _make_folder(path.parent)
        _check_replaceable(path)
        remove_leftovers(path.parent, path.name)
        aside, handle = _file_aside(path)
        try:
            yield aside
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            aside.chmod(0o666 & ~_umask())  # mkstemp makes a private file; a result is as readable as any other
            os.replace(aside, path)
            _flush_folder(path.parent)
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            _let_go(handle)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` to fill; it gets that name only once the body has ended well.

    If the body raises, the folder is removed with all that was written to it, and `path` is left as it was.

    Args:
        path: the folder to make; it may be there already if it is empty.

    Raises:
        FileExistsError: path is a file, or a folder that holds something.
        WriteError: for any other OSError, of the body too.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "both"
        >>> with whole_folder(folder) as aside:
        ...     _ = (aside / "a.txt").write_text("whole")
        >>> (folder / "a.txt").read_text()
        'whole'
    """
    check_free(path)
    with writing(path):
        _make_folder(path.parent)
        with scratch_folder(path.parent, path.name) as aside:
            yield aside
            for file in aside.rglob("*"):
                if file.is_file():
                    with file.open("rb") as written:
                        os.fsync(written.fileno())
            aside.chmod(0o777 & ~_umask())  # mkdtemp makes a private folder
            if path.exists():
                path.rmdir()
            os.rename(aside, path)
            _flush_folder(path.parent)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty hidden folder inside `parent`, which is removed at the end with all that is in it.

    Args:
        parent: a folder that is there.
        name: what is made in it; folders of that name which a killed process left are removed first.
    """
    remove_leftovers(parent, name)
    folder, handle = _folder_aside(parent, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _let_go(handle)


def remove_leftovers(folder: Path, *targets: str) -> None:
    """Remove leftovers of processes that were killed in the middle of a write.

    Files of other names, of other users, or that a process is still writing are left alone; so is everything where
    the file system knows no locks.

    Args:
        folder: where to look; it may be missing.
        targets: names of the files that were being written; none for all.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            match = _ASIDE.fullmatch(entry.name)
            if match and (not targets or match["target"] in targets):
                _remove_if_left(entry)


def _remove_if_left(entry: "os.DirEntry[str]") -> None:
    if sys.platform == "win32" or entry.is_symlink() or entry.stat().st_uid != os.getuid():
        return
    with suppress(OSError):  # it is locked, or gone
        handle = os.open(entry.path, os.O_RDONLY if entry.is_dir() else os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if entry.is_dir():
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
        finally:
            os.close(handle)


def _file_aside(path: Path) -> tuple[Path, int | None]:
    """Make a file beside `path`, and return it with its lock."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.cones-", suffix=path.suffix, dir=path.parent)
        held = _hold(handle)
        if os.path.exists(name):  # else another process took it for left behind, in the moment before it was locked
            return Path(name), held
        _let_go(held)


def _folder_aside(parent: Path, name: str) -> tuple[Path, int | None]:
    """Make a folder in `parent`, and return it with its lock."""
    while True:
        folder = tempfile.mkdtemp(prefix=f".{name}.cones-", dir=parent)
        with suppress(FileNotFoundError):
            held = None if sys.platform == "win32" else _hold(os.open(folder, os.O_RDONLY))
            if os.path.exists(folder):
                return Path(folder), held
            _let_go(held)


def _hold(handle: int) -> int | None:
    """Lock what is open until it is closed; where it cannot be locked, close it."""
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
            return handle
    os.close(handle)
    return None


def _let_go(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def check_free(path: Path) -> None:
    """Raise FileExistsError if `path` is a file, or a folder that holds something."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} already exists, expected a new or an empty folder: write to another one")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all (see `replacing`)."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def _exists(path: Path) -> bool:
    """Whether anything is at `path`, a broken link too; OSError for a name that the system refuses."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _check_replaceable(path: Path) -> None:
    """Raise WriteError if what stands at `path` is no file and no link: a device would be lost by the rename."""
    if path.is_dir():
        raise WriteError(path, "it is a folder, expected a file")
    if path.exists() and not path.is_file() and not path.is_symlink():
        raise WriteError(path, "it is not a regular file")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise WriteError(folder, f"{folder} is a file or below one, expected a folder") from None


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
