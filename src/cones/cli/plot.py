"""`cones plot`: figures and report of a run or a comparison, or curves of margins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..common.atomic_files import check_file_place
from ..common.run_folder import CONFIG, FIGURES, refuse_links
from ..margins import parse as parse_margin
from ..training import write_results
from .report import write_report
from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Plot:
    """Redraw the figures and report of a run or a comparison, or draw the curves of margins.

    Args:
        folder: folder of a run or a comparison
        margins: instead of a folder, margins whose target logits are drawn, such as "ArcFace(margin=0.3)"
        out: with --margins, file to write, given without suffix, as SVG and PNG
        trust: import the loss or backbone that the folder's files name as code, package.module:Name
        data_folder: folder for named data sets; by default $CONES_DATA or the user's cache
        traceback: show the full traceback of an error
    """

    folder: Annotated[Path | None, tyro.conf.Positional] = None
    margins: tuple[str, ...] = ()
    out: Path = Path("runs/curves")
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Draw the curves, or the figures and the report."""
        if self.folder is None and not self.margins:
            raise UsageError("plot needs the folder of a run or a comparison, or --margins")
        if self.margins:
            from ..plots import curve_figure, save

            check_file_place(self.out.with_name(f"{self.out.name}.svg"))
            for path in save(curve_figure([parse_margin(text) for text in self.margins]), self.out):
                print(path)
        if self.folder is not None:
            refuse_links(self.folder, FIGURES)
            if (self.folder / CONFIG).exists():
                write_results(self.folder, data_folder=self.data_folder, trust=self.trust)
            print(write_report(self.folder, trust=self.trust))
        return 0
