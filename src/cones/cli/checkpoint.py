"""`cones checkpoint`: contents of a run's checkpoint, its head alone, and classes added and removed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..common.run_folder import BEST, LAST
from .terminal import print
from .usage import UsageError

if TYPE_CHECKING:
    from ..training.checkpoint_contents import Contents

Which = Literal["last", "best"]


@dataclass(frozen=True)
class Inspect:
    """Print what a checkpoint holds, after checking all its checksums.

    Args:
        run: folder of a run, or a checkpoint: a .safetensors file, or a folder such as last/000007
        which: the last checkpoint, or the best weights
        traceback: show the full traceback of an error
    """

    run: Annotated[Path, tyro.conf.Positional]
    which: Which = "last"
    traceback: bool = False

    def execute(self) -> int:
        """Print position, classes and tensors; 1 if the newest checkpoint is broken."""
        from ..training.checkpoint_report import report

        text, whole = report(checkpoint_path(self.run, self.which))
        print(text)
        return 0 if whole else 1


@dataclass(frozen=True)
class Merge:
    """Write the head of a checkpoint, the rows of all ranks, to one file for cones.migrate.read_head.

    Args:
        run: folder of a run, or a checkpoint
        out: safetensors file to write
        which: the last checkpoint, or the best weights
        trust: import the head's margin if it is user code, package.module:Margin
        traceback: show the full traceback of an error
    """

    run: Annotated[Path, tyro.conf.Positional]
    out: Path = Path("head.safetensors")
    which: Which = "last"
    trust: bool = False
    traceback: bool = False

    def execute(self) -> int:
        """Write the head."""
        from ..migrate import WeightsError, build_head, write_head
        from ..training.checkpoint_contents import HEAD, read_contents

        contents = read_contents(checkpoint_path(self.run, self.which))
        tensors = {name.removeprefix(HEAD): each for name, each in contents.tensors.items() if name.startswith(HEAD)}
        try:
            head = build_head(tensors, contents.head, trust=self.trust)
        except WeightsError as error:
            raise WeightsError(f"{contents.stored.path} has no head that can be written: {error}") from error
        write_head(self.out, head, classes=contents.names)
        print(f"{head}\n{self.out}")
        return 0


@dataclass(frozen=True)
class Grow:
    """Add classes to a checkpoint, with rows of W and of the optimiser's state, in the folder of a new run.

    A new class starts at the mean direction of its features, else as in a new head. Where the classes are in the order
    of their names, as data sets give them, they stay in that order; otherwise new ones come last.

    Args:
        run: folder of a run, or a checkpoint
        out: folder to create: config.toml and the checkpoint
        names: new classes, by default those of the features
        features: .npz of features (N, D) and labels (N,), the names of their classes
        count: number of new classes, if the classes have no names
        seed: of rows that are drawn
        traceback: show the full traceback of an error
    """

    run: Annotated[Path, tyro.conf.Positional]
    out: Path
    names: tuple[str, ...] = ()
    features: Path | None = None
    count: int | None = None
    seed: int = 0
    traceback: bool = False

    def execute(self) -> int:
        """Write the folder."""
        from ..protocols import read_embeddings
        from ..training.checkpoint_contents import read_contents
        from ..training.checkpoint_edits import grow

        contents = read_contents(checkpoint_path(self.run, "last"))
        names, count, features, labels = self.names, self.count, None, None
        if self.features is not None:
            embeddings = read_embeddings(self.features)
            if embeddings.labels is None:
                raise UsageError(f"--features {self.features} has no labels: save the class of each row as labels")
            if contents.names:
                names = names or embeddings.classes
                place = {name: number for number, name in enumerate(names)}
                numbers = [place.get(name, -1) for name in (*embeddings.classes, "")]
                numbers[-1] = -1  # of rows without a class
                labels = embeddings.labels.new_tensor(numbers)[embeddings.labels]
            else:
                count, labels = count or len(embeddings.classes), embeddings.labels
            features = embeddings.features
        edit = partial(grow, names=names, count=count, features=features, labels=labels, seed=self.seed)
        path, now = _write_edited(contents, edit, self.out)
        print(f"{path}: {now} classes, {now - contents.num_classes} of them new")
        return 0


@dataclass(frozen=True)
class Drop:
    """Remove classes from a checkpoint, with their rows of W and of the optimiser's state, in the folder of a new run.

    Args:
        run: folder of a run, or a checkpoint
        out: folder to create: config.toml and the checkpoint
        classes: names of classes, or their numbers from 0
        listed: text file of classes, one a line
        traceback: show the full traceback of an error
    """

    run: Annotated[Path, tyro.conf.Positional]
    out: Path
    classes: tuple[str, ...] = ()
    listed: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Write the folder."""
        from ..training.checkpoint_contents import read_contents
        from ..training.checkpoint_edits import drop

        classes = [*self.classes, *_lines(self.listed)]
        if not classes:
            raise UsageError("--classes and --listed name no class to drop: pass at least one")
        contents = read_contents(checkpoint_path(self.run, "last"))
        path, now = _write_edited(contents, partial(drop, classes=classes), self.out)
        print(f"{path}: {now} classes, without {contents.num_classes - now}")
        return 0


@dataclass(frozen=True)
class Checkpoint:
    """Inspect a checkpoint, merge its head into one file, add classes and remove them.

    Args:
        action: inspect, merge, grow or drop
    """

    action: Annotated[
        Annotated[Inspect, tyro.conf.subcommand("inspect")]
        | Annotated[Merge, tyro.conf.subcommand("merge")]
        | Annotated[Grow, tyro.conf.subcommand("grow")]
        | Annotated[Drop, tyro.conf.subcommand("drop")],
        tyro.conf.OmitSubcommandPrefixes,
        tyro.conf.OmitArgPrefixes,
    ]

    def execute(self) -> int:
        """Run the action."""
        return self.action.execute()


def _write_edited(contents: "Contents", edit: Callable[["Contents"], "Contents"], out: Path) -> tuple[Path, int]:
    """Write an edited checkpoint; return where it is, and its number of classes."""
    from ..training.checkpoint_contents import write_contents

    try:
        edited = edit(contents)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return write_contents(edited, out), edited.num_classes


def checkpoint_path(run: Path, which: Which) -> Path:
    """Return the file of one process, there or not, beside which the checkpoints that the user names are.

    Raises:
        UsageError: the user names nothing that is there.
    """
    if not run.exists():
        raise UsageError(f"{run} is not there: name the folder of a run, or a checkpoint")
    if run.is_file() or (run / "index.json").is_file():
        return run
    if run.name in ("last", "best") and not (run / LAST).exists() and not (run / "last").exists():
        return run.with_suffix(".safetensors")
    return run / (LAST if which == "last" else BEST)


def _lines(path: Path | None) -> Sequence[str]:
    if path is None:
        return ()
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--listed {path} cannot be read as text ({error})") from error
