"""What the command line can be asked of a trained run: one frozen dataclass a command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class Evaluate:
    """Evaluate on subjects that may be strangers: verification, identification, retrieval, geometry.

    Prints a table and writes evaluation.json, evaluation.csv and report.html. A figure that the data cannot carry is
    n/a, with the reason.

    Args:
        source: folder of a run, whose test side is taken; or embeddings (.npz, .npy, .safetensors); or scores (.csv
            with score,same); or with --model pictures: a folder, a data set as of train, or an insightface .bin file
        model: folder of the run that embeds the pictures of source
        pairs: list of pairs to score: csv, LFW's pairs.txt, or trials; by default all pairs of the labels are
        form: how that list is written; auto looks at it
        repeats: take a pair as often as it is listed; else one that is listed twice is an error
        templates: list of "image template media", for --template-pairs
        template_pairs: list of "template template label"
        pictures: folder of the pictures that embeddings name, to show the hardest pairs
        far: false accept rates
        similarity: of two embeddings
        flip: add up the unit features of each picture and of its mirror image
        side: of a data set as source, split as the run splits its data
        resamples: draws of subjects for the intervals; 0 for none
        confidence: of the intervals
        seed: of the draws and of the gallery
        p_target: prior of a genuine pair, for minDCF
        costs: of a genuine pair rejected and of an impostor pair accepted, for minDCF
        min_pairs: fewer genuine or impostor pairs than this carry no rate
        out: folder to write to
        trust: import the backbone that the run names, where it is code, package.module:Net
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    source: Annotated[str, tyro.conf.Positional]
    model: Path | None = None
    pairs: Path | None = None
    form: Literal["auto", "csv", "lfw", "trials"] = "auto"
    repeats: bool = False
    templates: Path | None = None
    template_pairs: Path | None = None
    pictures: Path | None = None
    far: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    similarity: Literal["cosine", "euclidean"] = "cosine"
    flip: bool = False
    side: Literal["all", "train", "test"] = "test"
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0
    p_target: float = 0.01
    costs: tuple[float, float] = (1.0, 1.0)
    min_pairs: int = 10
    out: Path = Path("runs/evaluation")
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Embed:
    """Write the embeddings of pictures or of a data set by a trained run, with names and labels.

    Args:
        source: folder of pictures, or with one folder a class; or a data set as of train: a name, folder:PATH,
            nested:PATH, npz:PATH, csv:PATH or glyphs:PATH
        model: folder of the run
        out: file to write: .npz, .npy (features alone) or .safetensors
        flip: add up the unit features of each picture and of its mirror image, and normalise
        side: of a data set, split as the run splits its data
        which: weights of the last or of the best epoch
        device: cpu, cuda, cuda:1, ...; auto takes a GPU where there is one
        trust: import the backbone that the run names, where it is code, package.module:Net
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    source: Annotated[str, tyro.conf.Positional]
    model: Path
    out: Path = Path("embeddings.npz")
    flip: bool = False
    side: Literal["all", "train", "test"] = "all"
    which: Literal["last", "best"] = "last"
    device: str = "auto"
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False


@dataclass(frozen=True)
class Export:
    """Export a run with its threshold, as ONNX and as a program of PyTorch, and check that it decides as the run does.

    The graph takes pixels as they come from a decoder, and gives unit embeddings. Nothing is written unless the check
    on samples of the test side is passed.

    Args:
        run: folder of the run
        out: folder to make
        far: false accept rate at which the threshold is chosen on the run's test side; not used with --decision
        decision: file of a decision to take instead, of the same weights
        format: which files to write
        samples: of the test side, on which the files are checked; all their pairs are decided
        which: weights of the last or of the best epoch
        trust: import the backbone that the run names, where it is code, package.module:Net
        data_folder: where named data sets are kept; by default $CONES_DATA or the user's cache
        traceback: show where an error came from
    """

    run: Annotated[Path, tyro.conf.Positional]
    out: Path
    far: float = 0.001
    decision: Path | None = None
    format: Literal["onnx", "torch", "both"] = "both"
    samples: int = 500
    which: Literal["last", "best"] = "last"
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False
