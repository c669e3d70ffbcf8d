"""The files of a run, read into one value; an error names the file at fault."""

# N rows, D dims, K classes.

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...common.expressions import brief
from ...common.import_path import TrustError
from ...common.printable import printable, printable_lines
from ...common.run_features import read_run_features
from ...common.run_folder import CONFIG, FEATURES, METRICS, SUMMARY, read_metrics, read_object, read_text
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
    read = read_run_features(path)
    classes, tested = (tuple(printable(name) for name in names) for names in (read.classes, read.test_classes))
    try:
        train, test = LabelledFeatures("train", *read.train), LabelledFeatures("test", *read.test)
        for points in (train, test) if tested == classes else (train,):
            check_weight(points, read.weight, len(classes))
        margin = parse(read.margin, trust=trust)
    except TrustError as error:
        raise TrustError(f"{path}: {error}") from None
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: {brief(' '.join(str(error).split()), 300)}") from error
    return FinishedRun(
        folder=folder,
        name=printable(str(summary.get("name") or folder.resolve().name)),
        objective=printable(read.objective),
        title=printable(short_objective(read.in_force)),
        margin=margin,
        classes=classes,
        train=train,
        test=test,
        test_classes=None if tested == classes else tested,
        weight=read.weight,
        bias=read.bias,
        summary=summary,
        metrics=metrics,
        config=printable_lines(config),
    )
