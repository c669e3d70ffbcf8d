"""Checkpoints of a run, the newest first: last.safetensors, and last/ with those of many ranks by number."""

import math
import re
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..common.regular_file import not_a_file
from ..common.tensor_file import DamagedError
from ._position import CheckpointError, position_in
from .stored_checkpoint import INDEX, Stored, open_checkpoint

SUFFIX, BROKEN = ".safetensors", ".broken"
_NUMBER = re.compile(r"\d{6,}")
Result = TypeVar("Result")


def shared_folder(path: Path) -> Path | None:
    """Return the folder of checkpoints of many ranks that belongs to a file: last/ for last.safetensors."""
    return path.with_suffix("") if path.suffix == SUFFIX else None


def numbered(path: Path) -> list[Path]:
    """Return the checkpoints of many ranks that belong to a file, whole or broken, the newest first."""
    folder = shared_folder(path)
    if folder is None or not folder.is_dir():
        return []
    return sorted((each for each in folder.iterdir() if _NUMBER.fullmatch(each.name)), key=_number, reverse=True)


def _number(folder: Path) -> int:
    return int(folder.name)


def next_number(path: Path) -> Path:
    """Return the folder of the next checkpoint of many ranks that belongs to a file."""
    folder = shared_folder(path)
    assert folder is not None
    there = [int(each.name.partition(".")[0]) for each in folder.glob("[0-9]*") if _NUMBER.match(each.name)]
    return folder / f"{max(there, default=0) + 1:06d}"


def has_checkpoint(path: Path) -> bool:
    """Tell whether there is a checkpoint, of one process or of many: `path` itself or in the folder of that name."""
    return path.exists() or bool(numbered(path))


def newest_first(path: Path) -> list[Path]:
    """Return the checkpoints of a run, the one that came last first.

    Args:
        path: the file of one process, whether or not it is there; those of many ranks lie in the folder of that name.
            Or one checkpoint of many ranks.

    Raises:
        CheckpointError: there is none.
    """
    if (path / INDEX).is_file():
        return [path]
    folders = numbered(path)
    if not path.is_file():
        if not folders:
            raise CheckpointError(f"{not_a_file(path)}, expected a checkpoint")
        return folders
    newer = bool(folders) and _progress(path) <= _progress(folders[0])
    return [*folders, path] if newer else [path, *folders]


def _progress(path: Path) -> tuple[int, int]:
    with suppress(DamagedError, OSError, CheckpointError):
        position = position_in(open_checkpoint(path).header, path)
        return position.step, position.epoch
    return -1, -1


def use_newest(path: Path, use: Callable[[Stored], Result]) -> Result:
    """Call `use` with the newest checkpoint that is intact, and warn where one after it is broken.

    Args:
        path: as of `newest_first`.
        use: reads what is wanted; a DamagedError makes the checkpoint before it the one that is used.

    Raises:
        CheckpointError: there is none, or none is intact.
    """
    broken: list[str] = []
    for each in newest_first(path):
        try:
            result = use(open_checkpoint(each))
        except DamagedError as error:
            broken.append(f"{each} is broken ({error})")
            continue
        except OSError as error:
            raise CheckpointError(f"{each} cannot be read ({error}): try again, or replace it with a copy") from error
        if broken:
            warn_of_broken(broken, each)
        return result
    raise CheckpointError(f"{'; '.join(broken)}: delete it, or replace it with an intact copy")


def warn_of_broken(broken: Sequence[str], used: Path) -> None:
    """Warn that the newest checkpoints are broken, each by a text that names it, and name the one that is used."""
    warnings.warn(f"{'; '.join(broken)}: the one before, {used}, is used instead", stacklevel=4)


def remove_others(path: Path, keep: int) -> None:
    """Remove the checkpoints of a run but the newest `keep` of many ranks; a file goes where those are enough.

    What is older than those goes too where it was set aside as broken.
    """
    folders, home = numbered(path), shared_folder(path)
    if home is not None and len(folders) >= keep:
        oldest = _number(folders[keep - 1]) if keep else math.inf
        for each in home.glob(f"*{BROKEN}"):
            if _NUMBER.fullmatch(each.stem) and int(each.stem) < oldest:
                shutil.rmtree(each, ignore_errors=True)
    for folder in folders[keep:]:
        (folder / INDEX).unlink(missing_ok=True)  # first, so that the rest is no checkpoint any more
        shutil.rmtree(folder, ignore_errors=True)
    if keep and len(folders) >= keep:
        path.unlink(missing_ok=True)
    if not keep and home is not None:
        with suppress(OSError):  # it holds something else, or is not there
            home.rmdir()
