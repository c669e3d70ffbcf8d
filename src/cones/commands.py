"""What the command line can be asked: one frozen dataclass a command."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .training import Run

Shared = Annotated[Run, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Train:
    """Train one run: a backbone under one loss, with pictures and a report at the end.

    Args:
        run: what decides the result
        out: folder to write to
        resume: go on with the run in this folder, with its own settings; --out is not used
        config: TOML file with settings, such as the config.toml of a run; options given here come before it
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    run: Shared = field(default_factory=Run)
    out: Path = Path("runs/train")
    resume: Path | None = None
    config: Path | None = None
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Compare:
    """Train the same net under one loss after another and put the pictures side by side.

    A comparison that was stopped goes on where it stood when the command is given again.

    Args:
        losses: objectives, each as --loss of train
        run: what all runs share; --loss is not used
        out: folder to write to
        title: of the report; by default data, net and epochs
        config: TOML file with the shared settings; options given here come before it
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    losses: tuple[str, ...] = ()
    run: Shared = field(default_factory=Run)
    out: Path = Path("runs/compare")
    title: str = ""
    config: Path | None = None
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Plot:
    """Draw the figures and write the report of a run or a comparison again, or the curves of margins.

    Args:
        folder: of a run or of a comparison
        margins: instead of a folder, margins whose target logits to draw, such as "ArcFace(margin=0.3)"
        out: for margins, file to write, without ending; both SVG and PNG are written
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    folder: Annotated[Path | None, tyro.conf.Positional] = None
    margins: tuple[str, ...] = ()
    out: Path = Path("runs/curves")
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Losses:
    """List every loss with its formula, its defaults and its reference.

    Args:
        traceback: show where an error came from
    """

    traceback: bool = False


@dataclass(frozen=True)
class Data:
    """List the data sets known by name, or fetch and describe one.

    Args:
        spec: data set to fetch and describe: a name, folder:PATH, npz:PATH or csv:PATH
        image_size: side in pixels to which images of a folder or csv are resized; 0 keeps their size
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    spec: Annotated[str, tyro.conf.Positional] = ""
    image_size: int = 0
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Plan:
    """Tell the memory and the products of a class layer before a run, for each rank.

    Args:
        classes: K, in all
        dim: D, of the features
        batch: rows on each rank
        ranks: processes over which the classes are split; every rank sees the rows of all
        precision: of the products of the gradients; all else is float32
        memory_budget: MiB for tiles and kept exponentials
        momentum: whether the optimiser keeps a momentum of W
        fused: whether W moves inside the backward (ClassSGD), so that it has no gradient
        traceback: show where an error came from
    """

    classes: int
    dim: int
    batch: int
    ranks: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    memory_budget: int = 256
    momentum: bool = True
    fused: bool = False
    traceback: bool = False


@dataclass(frozen=True)
class Suggest:
    """Print the papers' bounds on scale and margin for so many classes and dims, and what to take.

    Args:
        classes: K, at least 2
        dim: D, of the features, at least 2
        probability: that the scale is to reach, between 0 and 1
        traceback: show where an error came from
    """

    classes: int
    dim: int
    probability: float = 0.9
    traceback: bool = False


Command = Train | Compare | Plot | Losses | Data | Plan | Suggest
