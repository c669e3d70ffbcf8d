"""What the command line can be asked: one frozen dataclass a command."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..training import Run
from .model_commands import Embed, Evaluate, Export


class UsageError(ValueError):
    """The command line does not say what to do."""


Shared = Annotated[Run, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Train:
    """Train one run: a backbone under one loss, with pictures and a report at the end.

    Args:
        run: what decides the result
        out: folder to write to
        resume: go on with the run in this folder, with its own settings; --out is not used
        config: TOML file with settings, such as the config.toml of a run; options given here come before it
        trust: import code that a file names as its loss or backbone, package.module:Name; what you type needs no flag
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    run: Shared = field(default_factory=Run)
    out: Path = Path("runs/train")
    resume: Path | None = None
    config: Path | None = None
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Compare:
    """Train the same net under several losses and put the pictures side by side.

    A comparison that was stopped goes on where it stood when the command is given again. With --threads of each run
    given, the result does not depend on --jobs.

    Args:
        losses: objectives, each as --loss of train
        run: what all runs share; --loss is not used
        out: folder to write to
        title: of the report; by default data, net and epochs
        jobs: runs at a time, each in a process of its own; 0 takes as many as there are cores for, and with --threads 0
            one run on all cores
        config: TOML file with the shared settings; options given here come before it
        trust: import code that this file names as its backbone, package.module:Net; what you type needs no flag
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    losses: tuple[str, ...] = ()
    run: Shared = field(default_factory=Run)
    out: Path = Path("runs/compare")
    title: str = ""
    jobs: int = 0
    config: Path | None = None
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Plot:
    """Draw the figures and write the report of a run or a comparison again, or the curves of margins.

    Args:
        folder: of a run or of a comparison
        margins: instead of a folder, margins whose target logits to draw, such as "ArcFace(margin=0.3)"
        out: for margins, file to write, without ending; both SVG and PNG are written
        trust: import code that the folder's files name as loss or backbone, package.module:Name
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    folder: Annotated[Path | None, tyro.conf.Positional] = None
    margins: tuple[str, ...] = ()
    out: Path = Path("runs/curves")
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Losses:
    """List every loss with its formula, its defaults and its reference, or show one in full; or write their pages.

    Args:
        name: loss to show in full, with when to use it and what it costs; a margin of your own is written
            package.module:Class
        out: folder for a page of the loss, or of every loss with an index: Markdown, each with its picture
        traceback: show where an error came from
    """

    name: Annotated[str, tyro.conf.Positional] = ""
    out: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Data:
    """List the data sets known by name, or fetch and describe one.

    Args:
        spec: data set to fetch and describe: a name, folder:PATH, nested:PATH, npz:PATH, csv:PATH or
            glyphs:PATH
        image_size: side in pixels to which images are resized, and at which glyphs are drawn; 0 keeps their size
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


@dataclass(frozen=True)
class Migrate:
    """Move class weights from another library into a head, and hold it against that library's formula.

    Nothing in the files is executed. The head is written only if it computes the same to rounding.

    Args:
        source: the library
        files: one file of weights; for insightface those of all ranks, in any order
        loss: pytorch-metric-learning: name of the class, by default ArcFaceLoss; wespeaker: project_type, by default
            arc_margin
        margin: as the library counts it, by default its own: degrees for ArcFaceLoss and SubCenterArcFaceLoss of
            pytorch-metric-learning, radians for other angles; for insightface the three of margin_list
        scale: s, by default the library's own
        temperature: of NormalizedSoftmaxLoss
        sub_centers: centers a class, of SubCenterArcFaceLoss and arc_margin_intertopk_subcenter
        easy_margin: of wespeaker
        num_classes: wespeaker: keep the first so many; insightface, pytorch-metric-learning: as many must be there
        out: safetensors file to write; cones.migrate.read_head reads it
        traceback: show where an error came from
    """

    source: Annotated[Literal["pytorch-metric-learning", "insightface", "oml", "wespeaker"], tyro.conf.Positional]
    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    loss: str | None = None
    margin: tuple[float, ...] = ()
    scale: float | None = None
    temperature: float | None = None
    sub_centers: int | None = None
    easy_margin: bool | None = None
    num_classes: int | None = None
    out: Path = Path("head.safetensors")
    traceback: bool = False


@dataclass(frozen=True)
class Check:
    """Report in words what holds of a margin and what does not; exits with 1 if something fails.

    Args:
        margin: such as "ArcFace(margin=0.3)", or one of your own, "package.module:MyMargin(margin=0.3)"
        classes: K; as many as the margin has counts, where it has some
        detached: part of the loss is a constant for the gradient by definition
        out: file to draw it to, without ending; both SVG and PNG are written
        traceback: show where an error came from
    """

    margin: Annotated[str, tyro.conf.Positional]
    classes: int = 10
    detached: bool = False
    out: Path | None = None
    traceback: bool = False


Command = Train | Compare | Plot | Losses | Data | Plan | Suggest | Check | Migrate | Embed | Evaluate | Export
