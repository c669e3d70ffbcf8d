"""`cones embed`: embeddings of pictures or of a data set by a trained run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .terminal import print
from .usage import UsageError


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

    def execute(self) -> int:
        """Write the embeddings and print their size."""
        from ..embedding import embed_source, load_backbone
        from ..protocols import EMBEDDING_SUFFIXES, write_embeddings

        if self.out.suffix.lower() not in EMBEDDING_SUFFIXES:
            raise UsageError(f"--out is {self.out}, expected a file that ends in {', '.join(EMBEDDING_SUFFIXES)}")
        model = load_backbone(
            self.model, self.which, device=self.device, data_folder=self.data_folder, trust=self.trust
        )
        embeddings = embed_source(model, self.source, side=self.side, flip=self.flip, data_folder=self.data_folder)
        write_embeddings(self.out, embeddings)
        rows, dims = embeddings.features.shape
        labelled = "no labels" if embeddings.labels is None else f"{len(embeddings.classes)} classes"
        print(f"{rows} embeddings of {dims} dims, {labelled}\n{self.out}")
        return 0
