"""Data of a run: those that its settings name, or those that were passed to it."""

from dataclasses import replace
from pathlib import Path

import torch

from ..common.run_folder import CONFIG, INPUT
from ..data import Dataset, Splits, load
from ._fingerprint import check_data
from ._run import Run, read_run

PASSED = "passed:"
"""Start of `Run.data` where the data were passed to `fit`; their name follows."""

Pair = tuple[Dataset, Dataset]


def with_data(run: Run, data: Splits | Pair | None) -> Run:
    """The run, with the name of the data that are passed in place of those that it names."""
    return run if data is None else replace(run, data=f"{PASSED}{_as_splits(data).train.name}")


def read_data(run: Run, data_folder: Path | None = None, data: Splits | Pair | None = None) -> Splits:
    """The run's train and test data: those that are passed, else those that it names.

    Raises:
        ValueError: the run was trained on data that were passed to `fit`, and none are passed here.
    """
    if data is not None:
        return _as_splits(data)
    if run.data.startswith(PASSED):
        raise ValueError(
            f"data is {run.data!r}: the run was trained on data passed to fit(data=...), which only Python can pass "
            "again; embed pictures or vectors with --model"
        )
    return load(
        run.data,
        split=run.split,
        test_fraction=run.test_fraction,
        seed=run.seed,
        image_size=run.image_size or None,
        root=data_folder,
    )


def read_same_data(folder: Path, data_folder: Path | None = None, data: Splits | Pair | None = None) -> Splits:
    """The data of the run in a folder, as they were when it was trained.

    Raises:
        TrainingError: they have changed since.
        FileNotFoundError, ValueError: the folder holds no run, or the data are not there or not right.
    """
    splits = read_data(read_run(folder / CONFIG), data_folder, data)
    check_data(folder / INPUT, splits)
    return splits


def counts_of(train: Dataset) -> list[int]:
    """The samples of each class."""
    counts: list[int] = torch.bincount(train.labels, minlength=train.num_classes).tolist()
    return counts


def _as_splits(data: Splits | Pair) -> Splits:
    """A pair as `Splits`: by identity where the sides share no class."""
    if isinstance(data, Splits):
        return data
    if not isinstance(data, tuple) or [type(side) for side in data] != [Dataset, Dataset]:
        raise TypeError(
            f"data is a {type(data).__name__}, expected cones.data.Splits or a pair (train, test) of Dataset"
        )
    train, test = data
    return Splits(train, test, "given" if set(train.classes) & set(test.classes) else "identity")
