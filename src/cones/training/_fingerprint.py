"""Fingerprints of a run's data: a run never goes on with other data than it began with, nor is it evaluated on them."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..common.expressions import brief
from ..common.run_folder import read_object
from ..data import Dataset, Splits
from ._errors import TrainingError
from ._validation_set import ValidationSet

SIDES, VALIDATION = ("train", "test"), "validation"


@dataclass(frozen=True)
class Fingerprint:
    """Contents of one side of a data set, in short.

    Args:
        classes: their names, in the order of the labels.
        samples: N.
        labels: hash of the labels (N,).
        inputs: hash of the pixels or vectors.
    """

    classes: tuple[str, ...]
    samples: int
    labels: str
    inputs: str


def fingerprint(dataset: Dataset) -> Fingerprint:
    """Fingerprint of one side."""
    return Fingerprint(dataset.classes, len(dataset), _digest(dataset.labels), _digest(dataset.inputs))


def fingerprints(splits: Splits, validation: ValidationSet | None = None) -> dict[str, Any]:
    """Fingerprints of both sides, and of the validation set where there is one, as JSON takes them."""
    sides = {side: asdict(fingerprint(getattr(splits, side))) for side in SIDES}
    return sides if validation is None else sides | {VALIDATION: _of_validation(validation)}


def check_data(path: Path, splits: Splits) -> None:
    """Compare data with those that a run was trained on.

    Args:
        path: the run's input.json; nothing is compared where there is none, and K alone where it has no fingerprints.
        splits: the data as they are now.

    Raises:
        TrainingError: they differ; the error names what changed.
        ValueError: the file is broken.
    """
    if not path.exists():
        return
    try:
        written = read_object(path)
        num_classes = int(written["num_classes"])
        before = {side: _read(written[side]) for side in SIDES if side in written}
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} is broken ({reason}): replace it with an intact copy") from error
    changes = []
    if splits.train.num_classes != num_classes:
        changes.append(f"the data have {splits.train.num_classes} classes, the run has {num_classes}")
    for side, old in before.items():
        changes += _changes(side, old, fingerprint(getattr(splits, side)))
    if changes:
        raise TrainingError(
            f"the data of {path.parent} have changed: {'; '.join(dict.fromkeys(changes))}. Put them back as they were, "
            f"train a new run in another folder, or embed them as they are now with --model {path.parent}"
        )


def check_validation(path: Path, validation: ValidationSet) -> None:
    """Compare a validation set with the one that a run began with.

    Args:
        path: the run's input.json; nothing is compared where there is none, or none with a validation set.
        validation: the set as it is now.

    Raises:
        TrainingError: they differ; the error names what changed.
        ValueError: the file is broken.
    """
    before = read_object(path).get(VALIDATION) if path.exists() else None
    if before is None:
        return
    now = _of_validation(validation)
    if not isinstance(before, dict) or before.keys() != now.keys():
        raise ValueError(f"{path} is broken ({VALIDATION} is {brief(repr(before))}): replace it with an intact copy")
    changed = [f"its {name} differ" for name, value in now.items() if value != before[name]]
    if changed:
        raise TrainingError(
            f"the validation set {validation.name} of {path.parent} has changed: {' and '.join(changed)}. Put it back "
            "as it was, or train a new run in another folder"
        )


def _of_validation(validation: ValidationSet) -> dict[str, str]:
    return {"samples": _digest(validation.inputs), "labels or pairs": _digest(validation.truth.answers())}


def _read(written: dict[str, Any]) -> Fingerprint:
    classes, samples, labels, inputs = (written[name] for name in ("classes", "samples", "labels", "inputs"))
    return Fingerprint(tuple(str(name) for name in classes), int(samples), str(labels), str(inputs))


def _changes(side: str, old: Fingerprint, new: Fingerprint) -> list[str]:
    """Differences in words, the ones that explain the others first."""
    changes = []
    missing, added = set(old.classes) - set(new.classes), set(new.classes) - set(old.classes)
    if missing:
        changes.append(f"{_some(missing)} missing")
    if added:
        changes.append(f"{_some(added)} new")
    if not missing and not added and old.classes != new.classes:
        changes.append("the classes are in another order")
    if old.samples != new.samples:
        more = new.samples - old.samples
        changes.append(f"{side} has {abs(more)} samples {'more' if more > 0 else 'fewer'} ({new.samples})")
    elif old.labels != new.labels:
        changes.append(f"samples of {side} have other labels, or another split")
    elif old.inputs != new.inputs:
        changes.append(f"samples of {side} have other contents, or another split")
    return changes


def _some(names: set[str]) -> str:
    first = ", ".join(map(repr, sorted(names)[:3]))
    return f"class {first} is" if len(names) == 1 else f"{len(names)} classes ({first}{', ...' * (len(names) > 3)}) are"


def _digest(tensor: Tensor) -> str:
    return hashlib.blake2b(tensor.cpu().contiguous().reshape(-1).numpy().data, digest_size=16).hexdigest()
