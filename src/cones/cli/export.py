"""`cones export`: a trained run as a graph for other runtimes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Export:
    """Export a run with its threshold to ONNX and torch.export, and check that the export decides as the run does.

    The graph takes pixels as decoded from an image file and returns unit embeddings. Nothing is written unless the
    check on samples of the test side passes.

    Args:
        run: folder of the run
        out: folder to create
        far: false accept rate at which the threshold is chosen on the run's test side; not used with --decision
        decision: decision file to use instead, made for the same weights
        format: which files to write
        samples: number of test samples for the check, which compares the decisions on all their pairs
        which: weights of the last or the best epoch
        trust: import the run's backbone if it is user code, package.module:Net
        data_folder: folder for named data sets; by default $CONES_DATA or the user's cache
        traceback: show the full traceback of an error
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

    def execute(self) -> int:
        """Write the checked files and print how far they agree."""
        from ..export import export_run

        if not 0 <= self.far < 1:
            raise UsageError(f"--far is {self.far}, expected a rate of at least 0 and below 1")
        if self.samples < 2:
            raise UsageError(f"--samples is {self.samples}, expected at least 2, to form a pair")
        exported = export_run(
            self.run,
            self.out,
            formats=("onnx", "torch") if self.format == "both" else (self.format,),
            far=self.far,
            decision=self.decision,
            samples=self.samples,
            which=self.which,
            data_folder=self.data_folder,
            trust=self.trust,
        )
        print(exported)
        return 0
