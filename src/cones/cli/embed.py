"""`cones embed`: embeddings of pictures or of a data set by a trained run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Embed:
    """Embed pictures or a data set with a trained run, and write the embeddings with names and labels.

    Args:
        source: folder of pictures, or with one subfolder per class; or a data set as for cones train: a name,
            folder:PATH, nested:PATH, npz:PATH, csv:PATH or glyphs:PATH
        model: folder of the run
        out: file to write: .npz, .npy (features only) or .safetensors
        flip: add the unit features of each picture and its mirror image, and normalise
        side: which side of a data set to embed, split in the same way as in the run
        which: weights of the last or the best epoch
        device: cpu, cuda, cuda:1, ...; auto uses a GPU if available
        trust: import the run's backbone if it is user code, package.module:Net
        data_folder: folder for named data sets; by default $CONES_DATA or the user's cache
        traceback: show the full traceback of an error
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
        from ..protocols import EMBEDDING_SUFFIXES, check_embeddings_place, write_embeddings

        if self.out.suffix.lower() not in EMBEDDING_SUFFIXES:
            raise UsageError(f"--out is {self.out}, expected a file that ends in {', '.join(EMBEDDING_SUFFIXES)}")
        check_embeddings_place(self.out)
        model = load_backbone(
            self.model, self.which, device=self.device, data_folder=self.data_folder, trust=self.trust
        )
        embeddings = embed_source(model, self.source, side=self.side, flip=self.flip, data_folder=self.data_folder)
        write_embeddings(self.out, embeddings)
        rows, dims = embeddings.features.shape
        labelled = "no labels" if embeddings.labels is None else f"{len(embeddings.classes)} classes"
        print(f"{rows} embeddings of {dims} dims, {labelled}\n{self.out}")
        return 0
