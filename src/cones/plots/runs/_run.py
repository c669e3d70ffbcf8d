"""The files of a run, read into one value; an error names the file at fault."""

# N rows, D dims, K classes.

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...common.expressions import brief
from ...common.import_path import TrustError
from ...common.printable import printable, printable_lines
from ...common.run_folder import CONFIG, FEATURES, METRICS, SUMMARY, parse_json, read_metrics, read_object, read_text
from ...common.tensor_file import DamagedError, read_tensors
from ...margins import Margin, parse
from .._text import short_objective
from ._points import LabelledFeatures, check_weight


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Attributes:
        folder: where it lies.
        name: what it is called; its folder's name where summary.json has none.
        objective: the sum of losses it minimised, as text, with its schedules.
        title: the same in short, with what was in force at the end.
        margin: the margin in it.
        classes: K names.
        train, test: features and labels.
        test_classes: names of the test set's own classes where they are not those of training, else None.
        weight: (K, D).
        bias: (K,) or None.
        summary: summary.json as it is.
        metrics: metrics.jsonl as it is.
        config: config.toml as it is.
    """

    folder: Path
    name: str
    objective: str
    title: str
    margin: Margin
    classes: tuple[str, ...]
    train: LabelledFeatures
    test: LabelledFeatures
    test_classes: tuple[str, ...] | None
    weight: Tensor
    bias: Tensor | None
    summary: Mapping[str, object]
    metrics: tuple[Mapping[str, object], ...]
    config: str

    @property
    def shown(self) -> LabelledFeatures:
        """The set whose classes have directions: test, unless its classes are strangers to the head."""
        return self.test if self.test_classes is None else self.train


def read_finished_run(folder: Path, *, trust: bool = False) -> FinishedRun:
    """Read config.toml, metrics.jsonl, features.safetensors and summary.json of a run.

    Args:
        folder: of the run.
        trust: whether a user-defined margin, which features.safetensors names, may be imported.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken; the error names it and what is wrong.
    """
    summary = read_object(folder / SUMMARY)
    metrics = tuple(read_metrics(folder / METRICS))
    config = read_text(folder / CONFIG)
    path = folder / FEATURES
    tensors, metadata = _tensors(path)
    try:
        classes = _names(metadata["classes"], "classes")
        train = LabelledFeatures("train", tensors["train_features"], tensors["train_labels"].long())
        test = LabelledFeatures("test", tensors["test_features"], tensors["test_labels"].long())
        tested = _names(metadata.get("test_classes", metadata["classes"]), "test_classes")
        for points in (train, test) if tested == classes else (train,):
            check_weight(points, tensors["weight"], len(classes))
        margin = parse(metadata["margin"], trust=trust)
    except TrustError:
        raise
    except KeyError as error:
        raise ValueError(f"{path} has no {error}: was it written by this version of the trainer?") from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: {brief(' '.join(str(error).split()), 300)}") from error
    return FinishedRun(
        folder=folder,
        name=printable(str(summary.get("name") or folder.resolve().name)),
        objective=printable(metadata.get("objective", metadata["margin"])),
        title=printable(short_objective(metadata.get("in_force", metadata["margin"]))),
        margin=margin,
        classes=classes,
        train=train,
        test=test,
        test_classes=None if tested == classes else tested,
        weight=tensors["weight"],
        bias=tensors.get("bias"),
        summary=summary,
        metrics=metrics,
        config=printable_lines(config),
    )


def _names(text: str, field: str) -> tuple[str, ...]:
    names = parse_json(text, field)
    if not isinstance(names, list) or not names:
        raise ValueError(f"{field} is {brief(repr(names))}, expected a list of names")
    return tuple(printable(str(name)) for name in names)


def _tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a report needs a finished run, with all the files it writes")
    try:
        return read_tensors(path)
    except DamagedError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
