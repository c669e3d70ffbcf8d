"""The folder of a run: its files, what may be there before a run, and another place where it cannot be written to."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from shutil import rmtree

from ..common.atomic_files import WriteError, check_folder_place
from ..common.run_folder import COMPARISON, CONFIG, FIGURES, INPUT, LAST, TENSORBOARD, refuse_links
from ._errors import TrainingError
from ._run import WITHOUT_EFFECT, Run, loss_beside, read_run
from .checkpoint import CheckpointError
from .checkpoint_folder import has_checkpoint

LEFT_OVER = (f".{CONFIG}", f".{INPUT}", f".{COMPARISON}")  # of a run that was killed in its first moments


def check_folder(run: Run, folder: Path, *, resume: bool) -> Run | None:
    """Check before anything is written that a run may write to a folder, or go on in it.

    Returns:
        the settings of the run that the folder holds, from which `run` differs by epochs and by what decides nothing;
        None where it holds none that can be resumed.

    Raises:
        TrainingError: it holds a run and resume is False, a run with other settings, or files that are not a run's; it
            is a file, or cannot be written to.
        ValueError: a folder in it is a link.
    """
    with writing_to(folder):
        check_folder_place(folder)
        refuse_links(folder, FIGURES, TENSORBOARD)
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if not has_checkpoint(folder / LAST):
        if not ({CONFIG, INPUT} <= names or (resume and CONFIG in names)):
            _refuse_strangers(folder, names)
        return None
    if not resume:
        raise TrainingError(f"{folder} already holds a run: resume it, or write to another folder")
    other = read_run(folder / CONFIG)
    for field in fields(Run):
        mine, theirs = getattr(run, field.name), getattr(other, field.name)
        if field.name == "loss":
            mine, theirs = str(run.objective), loss_beside(other, run)
        if field.name == "precision" and mine == "auto":
            continue  # the run goes on in the one that it started in
        if mine != theirs and field.name not in WITHOUT_EFFECT and field.name != "epochs":
            raise TrainingError(
                f"{folder} holds a run with {field.name} {theirs!r}, not {mine!r}: "
                f"resume it with its own settings, or write to another folder"
            )
    return other


def check_comparison_folder(folder: Path) -> None:
    """Check before anything is written that a comparison may write to a folder: a new one, or a comparison's.

    Raises:
        TrainingError: it holds files that are not a comparison's; it is a file, or cannot be written to.
        ValueError: its folder of figures is a link.
    """
    with writing_to(folder):
        check_folder_place(folder)
        refuse_links(folder, FIGURES)
        entries = list(folder.iterdir()) if folder.exists() else []
    if COMPARISON not in {path.name for path in entries}:
        _refuse_strangers(folder, {path.name for path in entries if not _holds_a_run(path)})


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn the system's errors into one line that says which folder cannot be written to.

    Raises:
        TrainingError: for an OSError in the body.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(str(error if isinstance(error, WriteError) else WriteError(folder, error))) from error


class Home:
    """A run's folder as it was when the run began; it notices when that folder is moved, removed or replaced.

    Args:
        folder: of the run; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._identity = _identity(folder)

    def check(self) -> None:
        """Raise FileNotFoundError if the folder is no longer there."""
        if not self.folder.exists() or _identity(self.folder) != self._identity:
            raise FileNotFoundError(f"{self.folder} was moved or removed while the run was training")


def rescue(folder: Path, error: Exception, write: Callable[[Path], None]) -> TrainingError:
    """Write a run's state to another place: beside its folder, in the current one, or in the one for temporary files.

    Args:
        folder: of the run, which cannot be written to.
        error: that says why.
        write: writes what a resumed run needs to a folder.

    Returns:
        the error that says where it went, for the caller to raise.
    """
    tried = list(dict.fromkeys([folder.absolute().parent, Path.cwd(), Path(tempfile.gettempdir())]))
    for parent in tried:
        try:
            place = Path(tempfile.mkdtemp(prefix=f"{folder.name}-rescued-", dir=parent))
        except OSError:
            continue
        try:
            write(place)
        except (OSError, CheckpointError):
            rmtree(place, ignore_errors=True)
            continue
        return TrainingError(f"{error}; its checkpoint went to {place}: resume with cones train --resume {place}")
    return TrainingError(f"{error}; its checkpoint could not be written to {' or '.join(map(str, tried))} either")


def _refuse_strangers(folder: Path, names: set[str]) -> None:
    others = sorted(name for name in names if not name.startswith(LEFT_OVER))
    if others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise TrainingError(
            f"{folder} holds files that are not a run's ({shown}): write to a new folder (--out {folder / 'run'})"
        )


def _holds_a_run(path: Path) -> bool:
    """Whether a run has begun there, or was about to."""
    return path.is_dir() and (
        (path / CONFIG).is_file() or all(inner.name.startswith(LEFT_OVER) for inner in path.iterdir())
    )


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
