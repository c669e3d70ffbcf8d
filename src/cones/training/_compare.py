"""One net, one data set, one loss after another."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..common.atomic_files import write_text
from ..common.cores import cores
from ..common.run_folder import COMPARISON, CONFIG, INPUT, LAST, SUMMARY, read_comparison, read_summary, refuse_links
from ..data import Splits
from ._errors import TrainingError
from ._fingerprint import check_data
from ._folder import check_comparison_folder, check_folder
from ._metrics import Metrics
from ._objective import parse_objective
from ._precision import decided
from ._results import finished_results
from ._run import Run, read_run
from ._side_by_side import ended, one_by_one, side_by_side
from ._stop import Stop, stop_on_signals
from .checkpoint_folder import has_checkpoint
from .data import DataCache
from .model import build_backbone, pick_device

DEMO_RUN = Run(
    width=0.375,
    epochs=8,
    batch_size=32,
    optimizer="adamw",
    learning_rate=0.002,
    precision="auto",
    threads=1,
    save_every=100,
)
"""Five thousand handwritten digits, narrow LeNets++, two features: the setting of the famous pictures."""

# In the plane ten classes leave 36 degrees each: scales and margins are those that fit there, not the ones for faces.
# Cosines start at a small scale. At the full one the class directions run to where all features lie at first, and stay
# there in two or three bunches. The lambda of L- and A-Softmax falls below 10 once the classes have parted (500 steps).
_SCALE = "scale=ExponentialWarmup(start=1.0, end=16.0, steps=500)"
_BLEND = "blend=Annealing(base=1000.0, gamma=0.00032, power=35.0, minimum=0.0)"
DEMO = (
    "Softmax",
    "Softmax + 0.03 * CenterLoss",
    f"LSoftmax(margin=4, {_BLEND})",
    f"ASoftmax(margin=4, {_BLEND})",
    f"NormFace({_SCALE})",
    f"CosFace(margin=LinearWarmup(start=0.0, end=0.15, steps=500), {_SCALE})",
    f"ArcFace(margin=LinearWarmup(start=0.0, end=0.2, steps=500), {_SCALE})",
    "Softmax + 100.0 * FeatureIncay",
)
"""Objectives that `cones compare` trains unless others are given."""


def compare(
    run: Run,
    losses: Sequence[str],
    folder: Path,
    *,
    title: str | None = None,
    data_folder: Path | None = None,
    stop: Stop | None = None,
    jobs: int = 1,
) -> Iterator[tuple[str, Metrics]]:
    """Train the run under each loss, each in a folder of its own, and write what a report needs.

    A comparison that was stopped goes on where it stood; runs that are finished are left as they are. A loss that
    fails does not keep the others from being trained. Where `run.threads` is given, every number of jobs computes the
    same bits; where it is 0 the jobs share the cores, so that sums may round otherwise.

    Args:
        run: everything but the loss.
        losses: objectives, as `Run.loss`.
        folder: where to write.
        title: of the report; None names data and net.
        data_folder: where named data sets are kept; None for the usual place.
        stop: a request to end, as of `fit`.
        jobs: runs at a time, each in a process of its own if there are several (a script then needs its
            `if __name__ == "__main__"`); 0 takes as many as `jobs_for` says.

    Yields:
        the name of the run under way and its metrics: those of `fit`, then {"kind": "end"}, or {"kind": "error",
        "error": TEXT} where it failed.

    Raises:
        ValueError: two losses are the same, or one cannot be read.
        DataError: the data cannot be read.
        TrainingError: a folder holds another run; or losses failed, raised once the others are trained.

    What can be wrong before a step is checked, and the data are read, before this returns.
    """
    if jobs < 0:
        raise ValueError(f"jobs is {jobs}, expected at least 1, or 0 to use the available cores")
    check_comparison_folder(folder)
    stop, run = Stop() if stop is None else stop, run.with_feature_dim()
    named = _named(losses)
    refuse_links(folder, *named)
    jobs = min(jobs or jobs_for(run, len(named)), len(named))
    if jobs > 1 and not run.threads:
        run = replace(run, threads=max(1, cores() // jobs))
    title = title or f"{run.data}: {run.backbone}, {run.feature_dim} features, {run.epochs} epochs"
    data = DataCache()
    run = _with_one_precision(run, [folder / name for name in named], data.read(run, data_folder))
    runs = {name: replace(run, loss=loss) for name, loss in named.items()}
    for name, one in runs.items():
        check_folder(one, folder / name, resume=True)
    return _train_each(runs, folder, title, data_folder=data_folder, stop=stop, jobs=jobs, data=data)


def _train_each(
    runs: Mapping[str, Run],
    folder: Path,
    title: str,
    *,
    data_folder: Path | None,
    stop: Stop,
    jobs: int,
    data: DataCache,
) -> Iterator[tuple[str, Metrics]]:
    """Train the runs that are not finished, and list all that are in comparison.json."""
    failed: dict[str, str] = {}
    with stop_on_signals(stop):
        splits, waiting = data.read(next(iter(runs.values())), data_folder), dict(runs)
        for name, one in runs.items():
            if summary := finished_results(folder / name, name, one):
                check_data(folder / name / INPUT, splits)
                del waiting[name]
                yield name, ended(summary)
        train = (
            side_by_side(waiting, folder, jobs=jobs, data_folder=data_folder, stop=stop)
            if jobs > 1
            else one_by_one(waiting, folder, data_folder=data_folder, stop=stop, data=data)
        )
        del data, splits  # side by side, each process has its own
        for name, metrics in train:
            if metrics["kind"] == "error":
                failed[name] = metrics["error"]
            yield name, metrics
        if stop.requested:
            return  # the rest waits for the next call
        whole = [name for name in runs if name not in failed]
        if whole:
            write_text(folder / COMPARISON, json.dumps({"title": title, "runs": whole}, indent=2) + "\n")
    if failed:
        raise TrainingError(_failures({name: one.loss for name, one in runs.items()}, failed, folder))


def jobs_for(run: Run, losses: int) -> int:
    """Return the number of runs to train at a time.

    On a CPU as many as have cores for `run.threads` each; 1 where a run takes all cores.
    """
    if not run.threads or pick_device(run.device).type != "cpu":
        return 1
    return max(1, min(losses, cores() // run.threads))


def _with_one_precision(run: Run, folders: Sequence[Path], splits: Splits) -> Run:
    """Return the run with one precision for all losses: that of those that have started, or what "auto" is here."""
    if run.precision != "auto":
        return run
    for folder in folders:
        if has_checkpoint(folder / LAST):
            return replace(run, precision=read_run(folder / CONFIG).precision)
    inputs = splits.train.inputs
    backbone, _ = build_backbone(run, inputs[:2], trust=run.trust)
    return decided(run, backbone, inputs[:1], pick_device(run.device))


def _failures(named: Mapping[str, str], failed: Mapping[str, str], folder: Path) -> str:
    """One line on the losses that failed and on what can be done with the others."""
    by_error: dict[str, list[str]] = {}
    for name, error in failed.items():
        by_error.setdefault(error, []).append(f"{named[name]} ({name})")
    reasons = "; ".join(f"{', '.join(losses)}: {error}" for error, losses in by_error.items())
    others = len(named) - len(failed)
    trained = f"; the other {others} are trained: cones plot {folder} draws them" if others else ""
    return f"{len(failed)} of {len(named)} losses failed: {reasons}{trained}; run the same command again to retry"


def slug(loss: str) -> str:
    """A folder's name for an objective: "Softmax + 0.01 * CenterLoss()" gives softmax-centerloss."""
    objective = parse_objective(loss)
    return "-".join(
        kind.__name__ for kind in [type(objective.margin), *(term.kind for term in objective.terms)]
    ).lower()


def _named(losses: Sequence[str]) -> dict[str, str]:
    """A name for each loss; the same kind with other numbers gets a count."""
    named: dict[str, str] = {}
    for loss in losses:
        if loss in named.values():
            raise ValueError(f"the loss {loss!r} is given twice")
        name, count = slug(loss), 1
        while name in named:
            count += 1
            name = f"{slug(loss)}-{count}"
        named[name] = loss
    if not named:
        raise ValueError("there is no loss to compare: give at least one, such as Softmax")
    return named


def read_summaries(folder: Path) -> list[dict[str, Any]]:
    """Return the summaries of a comparison's runs, in its order.

    Raises:
        FileNotFoundError: the folder holds no finished comparison.
        ValueError: a file of it is broken.
    """
    if not (folder / COMPARISON).is_file():
        raise FileNotFoundError(f"{folder} holds no comparison: make one with cones compare --out {folder}")
    return [read_summary(folder / run / SUMMARY) for run in read_comparison(folder).runs]
