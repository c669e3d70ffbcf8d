"""`cones compare`: one net under several losses, side by side."""

from dataclasses import dataclass, field
from pathlib import Path

from ..training import DEMO, DEMO_RUN, Stop, compare, jobs_for, read_summaries
from .comparison_progress import ComparisonDisplay
from .progress import summary_line
from .report import report_if_possible
from .usage import Shared, say, stopped_by


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

    losses: tuple[str, ...] = DEMO
    run: Shared = field(default_factory=lambda: DEMO_RUN)
    out: Path = Path("runs/compare")
    title: str = ""
    jobs: int = 0
    config: Path | None = None
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Train under every loss and write the report; a stopped comparison says how to go on."""
        stop, runs = Stop(), len(self.losses)
        jobs = self.jobs or jobs_for(self.run, runs)
        with ComparisonDisplay(runs, self.run.epochs, jobs) as display:
            for name, metrics in compare(
                self.run,
                self.losses,
                self.out,
                title=self.title or None,
                data_folder=self.data_folder,
                stop=stop,
                jobs=jobs,
            ):
                display.show(name, metrics)
        if stop.requested:
            say(f"stopped{stopped_by(stop)}; the same command goes on where it stopped")
            return stop.exit_code
        report = report_if_possible(self.out, jobs, trust=self.run.trust)
        say(*map(summary_line, read_summaries(self.out)), report)
        return 0
