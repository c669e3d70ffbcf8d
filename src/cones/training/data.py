"""Data of a run: the data set that its settings name, or the one that was passed to it."""

from dataclasses import replace
from pathlib import Path

import torch

from ..common.run_folder import CONFIG, INPUT
from ..data import Dataset, Splits, load
from ._fingerprint import check_data
from ._run import Run, read_run

PASSED = "passed:"
"""Start of `Run.data` where the data were passed to `fit`; their name follows."""


class DataCache:
    """The data set of the run that was read last, so that training, results and the next loss share one decoding.

    Nobody writes to a data set: what shares it computes the same as if it had read its own.
    """

    def __init__(self) -> None:
        self._settings: tuple[object, ...] = ()
        self._splits: Splits | None = None

    def read(self, run: Run, data_folder: Path | None = None) -> Splits:
        """Return the train and test data that a run names; they are read unless the last run named the same.

        Raises:
            ValueError, DataError: as `read_data`.
        """
        settings = (run.data, run.split, run.test_fraction, run.seed, run.image_size, data_folder)
        if self._splits is None or settings != self._settings:
            self._splits, self._settings = None, ()  # not two data sets in memory at a time
            self._splits, self._settings = read_data(run, data_folder), settings
        return self._splits


Data = Splits | tuple[Dataset, Dataset] | DataCache
"""Data that are passed instead of the run's own, or where its own have been read."""


def with_data(run: Run, data: Data | None) -> Run:
    """Return the run, with the name of the data that are passed in place of those that it names."""
    if data is None or isinstance(data, DataCache):
        return run
    return replace(run, data=f"{PASSED}{_as_splits(data).train.name}")


def read_data(run: Run, data_folder: Path | None = None, data: Data | None = None) -> Splits:
    """Return the run's train and test data: those that are passed, else those that it names.

    Raises:
        ValueError: the run was trained on data that were passed to `fit`, and none are passed here.
        DataError: the files of the data are missing or damaged.
    """
    if isinstance(data, DataCache):
        return data.read(run, data_folder)
    splits = _splits_of(run, data_folder, data)
    shape = splits.train.inputs.shape[1:]
    if len(shape) == 3 and run.shift >= min(shape[1:]):
        raise ValueError(
            f"shift is {run.shift}, but the images are {shape[2]}x{shape[1]} pixels: pass a shift below "
            f"{min(shape[1:])}"
        )
    return splits


def _splits_of(run: Run, data_folder: Path | None, data: Splits | tuple[Dataset, Dataset] | None) -> Splits:
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


def read_same_data(folder: Path, data_folder: Path | None = None, data: Data | None = None) -> Splits:
    """Return the data of the run in a folder, as they were when it was trained.

    Raises:
        TrainingError: they have changed since.
        FileNotFoundError, ValueError: the folder holds no run, or the data are not there or not right.
    """
    splits = read_data(read_run(folder / CONFIG), data_folder, data)
    check_data(folder / INPUT, splits)
    return splits


def counts_of(train: Dataset) -> list[int]:
    """Return the number of samples of each class."""
    counts: list[int] = torch.bincount(train.labels, minlength=train.num_classes).tolist()
    return counts


def _as_splits(data: Splits | tuple[Dataset, Dataset]) -> Splits:
    """Return a pair as `Splits`: by identity where the sides share no class."""
    if isinstance(data, Splits):
        return data
    if not isinstance(data, tuple) or [type(side) for side in data] != [Dataset, Dataset]:
        raise TypeError(
            f"data is a {type(data).__name__}, expected cones.data.Splits or a pair (train, test) of Dataset"
        )
    train, test = data
    return Splits(train, test, "given" if set(train.classes) & set(test.classes) else "identity")
