"""`cones data`: the data sets known by name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from .terminal import Console, print


@dataclass(frozen=True)
class Data:
    """List the named data sets, or fetch and describe one.

    Args:
        spec: data set to fetch and describe: a name, folder:PATH, nested:PATH, npz:PATH, csv:PATH or
            glyphs:PATH
        image_size: side in pixels to which images are resized and at which glyphs are drawn; 0 keeps the size
        data_folder: folder for named data sets; by default $CONES_DATA or the user's cache
        traceback: show the full traceback of an error
    """

    spec: Annotated[str, tyro.conf.Positional] = ""
    image_size: int = 0
    data_folder: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Print the table of data sets, or the sides of one."""
        from ..data import load, named

        console = Console(soft_wrap=True, highlight=False, emoji=False)
        if not self.spec:
            table = Table("name", "what", "samples", "classes", "shape", "on disk")
            for known in named(self.data_folder):
                shape = "x".join(map(str, known.shape))
                table.add_row(
                    known.name, known.about, str(known.count), str(known.num_classes), shape, str(known.on_disk)
                )
            console.print(table)
            return 0
        splits = load(self.spec, image_size=self.image_size or None, root=self.data_folder)
        for side, dataset in (("train", splits.train), ("test", splits.test)):
            shape = "x".join(map(str, dataset.inputs.shape[1:]))
            print(f"{side}: {len(dataset)} samples of {shape}, {dataset.num_classes} classes (split: {splits.kind})")
        return 0
