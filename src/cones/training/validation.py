"""Validation while training: verification and identification of samples that the run is not trained on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data import Splits
from ._errors import TrainingError
from ._fingerprint import VALIDATION, check_validation
from ._metrics import Metrics
from ._read_validation import read_validation_set
from ._run import Run
from ._validation_set import ValidationSet
from .checkpoint import Position
from .features import features_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validation:
    """Figures of a backbone on a validation set; a figure that the set cannot support is None.

    Attributes:
        tar: true accept rate at the false accept rate 1e-3, in 0..1.
        eer: equal error rate, in 0..1.
        rank_1: rank-1 identification rate, leave one out, in 0..1.
    """

    tar: float | None
    eer: float | None
    rank_1: float | None

    def score(self, best_by: str) -> float:
        """The figure that chooses the best epoch, higher for the better: TAR, 1 - EER, or rank 1."""
        value: float = getattr(self, best_by)
        return 1 - value if best_by == "eer" else value


def open_validation(
    run: Run, splits: Splits, data_folder: Path | None = None, *, resumed: Path | None = None
) -> ValidationSet | None:
    """Return the validation set of a run, checked, with a line in the log; None where the run has none.

    A split by identity is validated on its test side unless the run says otherwise.

    Args:
        run: the configuration.
        splits: its data.
        data_folder: where named data sets are kept; None for the usual place.
        resumed: input.json of the run that goes on; None for one that begins.

    Raises:
        ValueError: validate names no set, or one that does not fit the run or supports no figure.
        DataError: its files are missing or damaged.
        TrainingError: they have changed since the run began.
    """
    validation = read_validation_set(run, splits, data_folder)
    if validation is None:
        return None
    if validation.best_by is None and run.validate:
        raise ValueError(f"validate is {run.validate!r}, which supports no figure: {validation}; give a larger set")
    logger.info("validation: %s", validation)
    if validation.best_by is None:
        return None
    if resumed is not None:
        check_validation(resumed, validation)
    return validation


def validate(backbone: nn.Module, validation: ValidationSet, run: Run, device: torch.device) -> Validation:
    """Measure a backbone on a validation set; its features are those of `cones embed`.

    Every pair counts, exactly and in bounded memory; the figures are those of `cones.evaluation`.

    Args:
        backbone: on `device`; it is left in evaluation mode.
        validation: the set.
        run: the configuration.
        device: of the backbone.

    Raises:
        TrainingError: a feature is not finite.
    """
    features = features_of(backbone, validation.inputs, device, run)
    if not bool(features.isfinite().all()):
        raise TrainingError(
            f"features of the validation set {validation.name} are not finite: lower the learning rate or warm the "
            "margin up; the last checkpoint is as it was"
        )
    verified = validation.truth.verify(features)
    return Validation(verified.tar[0].tar, verified.eer, validation.truth.search(features))


def end_of_epoch(
    position: Position,
    metrics: Metrics,
    validation: ValidationSet | None,
    backbone: nn.Module,
    run: Run,
    device: torch.device,
) -> tuple[Position, bool, Metrics | None]:
    """Validate every `run.validate_every` epochs and after the last, and decide whether the epoch is the best so far.

    Args:
        position: of the run, the epoch done.
        metrics: of the test side; their accuracy decides where nothing is validated.
        validation: the set; None for none.
        backbone: whose features are taken.
        run: the configuration.
        device: of the backbone.

    Returns:
        the position, with the best epoch; whether that is this one, which without any figure is the last one; and the
        metrics of the validation, None where it is not due.
    """
    if validation is None or validation.best_by is None:
        if "accuracy" not in metrics:
            return position, position.epoch == run.epochs, None
        return *_with_best(position, metrics["accuracy"]), None
    if position.epoch != run.epochs and position.epoch % max(run.validate_every, 1):
        return position, False, None
    figures = validate(backbone, validation, run, device)
    place = {"kind": VALIDATION, "step": position.step, "epoch": position.epoch, "set": validation.name}
    line = place | vars(figures) | {"best_by": validation.best_by}
    return *_with_best(position, figures.score(validation.best_by)), line


def summarised(lines: Sequence[Metrics], position: Position) -> dict[str, Any] | None:
    """The last validation among the metrics of a run, and that of its best epoch; None without validation."""
    validations = [line for line in lines if line.get("kind") == VALIDATION]
    best = [line for line in validations if line["epoch"] == position.best_epoch]
    if not best:
        return None
    figures = [field.name for field in fields(Validation)]
    last, chosen = ({name: line.get(name) for name in figures} for line in (validations[-1], best[-1]))
    place = {name: best[-1].get(name) for name in ("set", "best_by")}
    return place | {"best_epoch": position.best_epoch, "best": chosen, "last": last}


def _with_best(position: Position, score: float) -> tuple[Position, bool]:
    """The position with its epoch as the best, if its score is above those before; and whether it is."""
    if score > position.best_accuracy:
        return replace(position, best_accuracy=score, best_epoch=position.epoch), True
    return position, False
