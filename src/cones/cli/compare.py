"""`cones compare`: one net under several losses, side by side."""

from dataclasses import dataclass, field
from pathlib import Path

from ..training import DEMO, DEMO_RUN, Stop, compare, jobs_for, read_summaries
from .comparison_progress import ComparisonDisplay
from .progress import summary_line
from .report import draw_if_possible, report_if_possible
from .usage import Shared, say, stopped_by

DRAWING = 4.0
"""Seconds that the figures and report of a run take, until the first of them is timed."""


@dataclass(frozen=True)
class Compare:
    """Train the same net under several losses and show the results side by side.

    To resume a comparison that was stopped, run the same command again. With a fixed number of --threads per run, the
    result does not depend on --jobs.

    Args:
        losses: objectives, each written like --loss of cones train
        run: settings shared by all runs; --loss is not used
        out: folder to write to
        title: title of the report; by default data, net and epochs
        jobs: number of runs at a time, each in its own process; 0 runs as many as the cores allow, or with --threads 0
            one at a time on all cores
        config: TOML file with the shared settings; command-line options override it
        trust: import the backbone that this file names as code, package.module:Net; names you type need no flag
        data_folder: folder for named data sets; by default $CONES_DATA or the user's cache
        traceback: show the full traceback of an error
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
        jobs = min(self.jobs or jobs_for(self.run, runs), runs)
        display = ComparisonDisplay(
            runs, self.run.epochs, jobs, threads=self.run.threads, batch_size=self.run.batch_size, drawing=DRAWING
        )
        trained = compare(
            self.run,
            self.losses,
            self.out,
            title=self.title or None,
            data_folder=self.data_folder,
            stop=stop,
            jobs=jobs,
        )
        with display:
            for name, metrics in trained:
                display.show(name, metrics)
                if metrics["kind"] == "end" and not display.drawn and not stop.requested:
                    display.drew_one_in(draw_if_possible(self.out / name, trust=self.run.trust))
            if stop.requested:
                say(f"stopped{stopped_by(stop)}; run the same command again to resume")
                return stop.exit_code
            report = report_if_possible(
                self.out, jobs, trust=self.run.trust, redraw=False, progress=display.show_drawing
            )
        if not display.drawn:
            say(f"nothing has changed since the figures were drawn; to draw them again: cones plot {self.out}")
        say(*map(summary_line, read_summaries(self.out)), report)
        return 0
