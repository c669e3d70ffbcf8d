"""One net, one data set, one loss after another."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..files import write_text
from ..run_folder import COMPARISON, SUMMARY, read_comparison, read_summary
from ._loop import fit
from ._metrics import Metrics
from ._objective import parse_objective
from ._results import write_results
from ._run import Run

DEMO_RUN = Run(precision="bfloat16", save_every=100)
"""Five thousand handwritten digits, LeNets++ of half width, two features: the setting of the famous pictures."""

# In the plane ten classes leave 36 degrees each: scales and margins are those that fit there, not the ones for faces.
DEMO = (
    "Softmax",
    "Softmax + 0.1 * CenterLoss",
    "LSoftmax(margin=4, blend=Annealing(base=1000.0, gamma=0.1, power=2.0, minimum=0.0))",
    "ASoftmax(margin=4, blend=Annealing(base=1000.0, gamma=0.1, power=2.0, minimum=0.0))",
    "NormFace(scale=16.0)",
    "CosFace(margin=LinearWarmup(start=0.0, end=0.15, steps=600), scale=16.0)",
    "ArcFace(margin=LinearWarmup(start=0.0, end=0.2, steps=600), scale=16.0)",
    "Softmax + 100.0 * FeatureIncay",
)


def compare(
    run: Run, losses: Sequence[str], folder: Path, *, title: str | None = None, data_folder: Path | None = None
) -> Iterator[tuple[str, Metrics]]:
    """Train the run under each loss in turn, each in a folder of its own, and write what a report needs.

    A comparison that was stopped goes on where it stood; runs that are finished are left as they are.

    Args:
        run: everything but the loss.
        losses: objectives, as `Run.loss`.
        folder: where to write.
        title: of the report; None names data and net.
        data_folder: where named data sets are kept; None for the usual place.

    Yields:
        the name of the run under way and its metrics.

    Raises:
        ValueError: two losses are the same, or one cannot be read.
        TrainingError, CheckpointError: as `fit`.
    """
    runs = {name: replace(run, loss=loss) for name, loss in _named(losses).items()}
    title = title or f"{run.data}: {run.backbone}, {run.feature_dim} features, {run.epochs} epochs"
    for name, one in runs.items():
        for metrics in fit(one, folder / name, resume=True, data_folder=data_folder):
            yield name, metrics
        if not write_results(folder / name, name=name, data_folder=data_folder, trust=run.trust)["finished"]:
            return  # Ctrl-C: the rest waits for the next call
    write_text(folder / COMPARISON, json.dumps({"title": title, "runs": list(runs)}, indent=2) + "\n")


def slug(loss: str) -> str:
    """A folder's name for an objective: "Softmax + 0.01 * CenterLoss()" gives softmax-centerloss."""
    objective = parse_objective(loss)
    return "-".join([type(objective.margin).__name__, *(term.name for term in objective.terms)]).lower()


def _named(losses: Sequence[str]) -> dict[str, str]:
    """A name for each loss; the same kind with other numbers is told apart by a count."""
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
    """The summaries of a comparison's runs, in its order.

    Raises:
        FileNotFoundError: the folder holds no finished comparison.
        ValueError: a file of it is broken.
    """
    if not (folder / COMPARISON).is_file():
        raise FileNotFoundError(f"{folder} holds no comparison: make one with cones compare --out {folder}")
    return [read_summary(folder / run / SUMMARY) for run in read_comparison(folder).runs]
