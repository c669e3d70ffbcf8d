"""`cones train`: one run, with its pictures and report."""

from dataclasses import dataclass, field
from pathlib import Path

from ..training import DataCache, Run, Stop, fit, write_results
from .progress import TrainingDisplay, summary_line
from .report import report_if_possible
from .usage import Shared, say, stopped_by


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

    def execute(self) -> int:
        """Train, write the results and the report; a stopped run says how to go on."""
        folder, stop, data = self.resume or self.out, Stop(), DataCache()
        with TrainingDisplay(self.run.epochs) as display:
            for metrics in fit(
                self.run, folder, resume=self.resume is not None, data=data, data_folder=self.data_folder, stop=stop
            ):
                display.show(folder.name, metrics)
        if stop.requested:
            say(f"stopped at step {stop.step}{stopped_by(stop)}; go on with: cones train --resume {folder}")
            if not stop.preempted:
                say(summary_line(write_results(folder, data=data, data_folder=self.data_folder, trust=self.run.trust)))
            return stop.exit_code
        summary = write_results(folder, data=data, data_folder=self.data_folder, trust=self.run.trust)
        report = report_if_possible(folder, trust=self.run.trust)
        say(summary_line(summary), report)
        return 0
