"""Ways to cut a data set into a train side and a test side."""

from dataclasses import replace

import torch
from torch import Tensor

from ._dataset import Dataset, Splits
from ._files import DataError


def by_sample(data: Dataset, test_fraction: float, seed: int) -> Splits:
    """Draw `test_fraction` of each class for the test side; both sides keep all classes and the data's order.

    Each class keeps at least one sample in train. A class with two or more has at least one in test; a class
    with one has none.

    Args:
        data: the whole set.
        test_fraction: in (0, 1), rounded to whole samples class by class.
        seed: of the draw, which depends on nothing else.

    Raises:
        DataError: if no class has two samples, so that test would be empty.
    """
    counts = torch.bincount(data.labels, minlength=data.num_classes)
    wanted = (counts * test_fraction + 0.5).long().clamp(min=1)
    wanted = torch.minimum(wanted, counts - 1).clamp(min=0)
    if int(wanted.sum()) == 0:
        raise DataError(
            f"split='sample' of {data.name} leaves nothing to test on: no class has two samples; "
            "use split='identity' or add samples"
        )
    shuffled = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    by_class = shuffled[data.labels[shuffled].argsort(stable=True)]
    first = counts.cumsum(0) - counts
    place_in_class = torch.arange(len(data)) - first[data.labels[by_class]]
    test = torch.empty(len(data), dtype=torch.bool)
    test[by_class] = place_in_class < wanted[data.labels[by_class]]
    return Splits(data.select(~test), data.select(test), "sample")


def by_identity(data: Dataset, test_fraction: float, seed: int) -> Splits:
    """Draw `test_fraction` of the classes, with all their samples, for the test side.

    Each side has two classes or more, so that both hold pairs of different classes, and is relabelled from 0
    with the names and the order of the classes kept.

    Args:
        data: the whole set.
        test_fraction: in (0, 1), rounded to whole classes.
        seed: of the draw, which depends on nothing else.

    Raises:
        DataError: if fewer than four classes have samples.
    """
    filled = torch.bincount(data.labels, minlength=data.num_classes).nonzero().flatten()
    if len(filled) < 4:
        raise DataError(
            f"split='identity' of {data.name} needs at least 4 classes, two per side, "
            f"but it has {len(filled)}; use split='sample'"
        )
    wanted = min(max(int(len(filled) * test_fraction + 0.5), 2), len(filled) - 2)
    drawn = filled[torch.randperm(len(filled), generator=torch.Generator().manual_seed(seed))]
    return Splits(_only(data, drawn[wanted:]), _only(data, drawn[:wanted]), "identity")


def as_given(data: Dataset, test: Tensor) -> Splits:
    """Return the split that the set itself comes with.

    If test has no class of train it is a split by identity, and each side is relabelled from 0.

    Args:
        data: both sides in one.
        test: (N,) bool, true for the samples of the test side.

    Raises:
        DataError: if a side is empty, or if test has classes of train and others besides.
    """
    for side, size in (("train", int((~test).sum())), ("test", int(test.sum()))):
        if size == 0:
            raise DataError(f"the {side} side of {data.name} is empty; expected samples in both train and test")
    known, tested = _classes_of(data, ~test), _classes_of(data, test)
    strange = tested[~torch.isin(tested, known)]
    if len(strange) == len(tested):
        return Splits(_only(data.select(~test), known), _only(data.select(test), tested), "identity")
    if len(strange):
        raise DataError(
            f"test of {data.name} holds the class {data.classes[int(strange[0])]!r}, which train does not; "
            "expected all of test's classes in train, or none of them"
        )
    train = _only(data.select(~test), known)
    relabelled = torch.searchsorted(known, data.labels[test])
    return Splits(train, replace(data.select(test), labels=relabelled, classes=train.classes), "given")


def whole(splits: Splits) -> Dataset:
    """Return both sides as one set, train first."""
    train, test = splits.train, splits.test
    inputs = torch.cat([train.inputs, test.inputs])
    files = None if train.files is None or test.files is None else train.files + test.files
    if splits.kind != "identity":
        return Dataset(train.name, inputs, torch.cat([train.labels, test.labels]), train.classes, files)
    labels = torch.cat([train.labels, test.labels + train.num_classes])
    return Dataset(train.name, inputs, labels, train.classes + test.classes, files)


def _classes_of(data: Dataset, side: Tensor) -> Tensor:
    """The labels that occur in `side` (a mask), ascending."""
    return torch.bincount(data.labels[side], minlength=data.num_classes).nonzero().flatten()


def _only(data: Dataset, classes: Tensor) -> Dataset:
    """The samples of `classes`, relabelled from 0 in the order of the classes of `data`."""
    kept = classes.sort().values
    chosen = data.select(torch.isin(data.labels, kept))
    labels = torch.searchsorted(kept, chosen.labels)
    return replace(chosen, labels=labels, classes=tuple(data.classes[k] for k in kept.tolist()))
