"""`cones train`: one run, with its pictures and report."""

from dataclasses import dataclass, field
from pathlib import Path

from ..training import DataCache, Run, Stop, fit, write_results
from .processes import joined, launch, leads, restarted, started_by_torchrun
from .progress import TrainingDisplay, summary_line
from .report import report_if_possible
from .usage import Shared, UsageError, say, stopped_by


@dataclass(frozen=True)
class Train:
    """Train a backbone under one loss, with figures and a report at the end.

    Args:
        run: settings that determine the result
        out: folder to write to
        resume: resume the run in this folder, with its own settings; --out is not used
        config: TOML file with settings, such as the config.toml of a run; command-line options override it
        trust: import the loss or backbone that a file names as code, package.module:Name; names you type need no flag
        processes: processes on this machine that train the run together, sharing classes and batches; torchrun starts
            them as well
        data_folder: folder for named data sets; by default $CONES_DATA or the user's cache
        traceback: show the full traceback of an error
    """

    run: Shared = field(default_factory=Run)
    out: Path = Path("runs/train")
    resume: Path | None = None
    config: Path | None = None
    trust: bool = False
    processes: int = 1
    data_folder: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Train, write the results and the report; a stopped run says how to go on."""
        if self.processes < 1:
            raise UsageError(f"--processes is {self.processes}, expected at least 1")
        if self.processes > 1 and not started_by_torchrun():
            return launch(self.processes)
        folder, stop, data = self.resume or self.out, Stop(), DataCache()
        resume = self.resume is not None or restarted()
        with joined(self.run.device) as group, TrainingDisplay(self.run.epochs, quiet=not leads()) as display:
            for metrics in fit(
                self.run, folder, resume=resume, data=data, data_folder=self.data_folder, stop=stop, group=group
            ):
                display.show(folder.name, metrics)
        if not leads():
            return stop.exit_code if stop.requested else 0
        if stop.requested:
            say(f"stopped at step {stop.step}{stopped_by(stop)}; resume with: cones train --resume {folder}")
            if not stop.preempted:
                say(summary_line(write_results(folder, data=data, data_folder=self.data_folder, trust=self.run.trust)))
            return stop.exit_code
        summary = write_results(folder, data=data, data_folder=self.data_folder, trust=self.run.trust)
        report = report_if_possible(folder, trust=self.run.trust)
        say(summary_line(summary), report)
        return 0
