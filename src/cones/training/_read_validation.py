"""Validation set of a run: read and decoded once, in the form that the run's backbone takes."""

from pathlib import Path

import torch
from torch import Tensor

from ..data import DataError, Splits, load_whole, with_channels
from ..data.pictures import read_pictures, resized
from ..protocols import decode_pictures, read_bin, read_pairs
from ._run import Run
from ._validation_set import ListedPairs, Subjects, ValidationSet
from .input import Input, input_of


def read_validation_set(run: Run, splits: Splits, data_folder: Path | None = None) -> ValidationSet | None:
    """Return the set that `run.validate` names, in the form of the run's own data; None where there is none.

    Pictures are stretched to the size of the run's, and grey or colour becomes what the run takes, as `cones embed`
    does.

    Args:
        run: the configuration.
        splits: its data, of which "split" is the test side.
        data_folder: where named data sets are kept; None for the usual place.

    Raises:
        ValueError: validate names no set, or one that does not fit the run.
        DataError: its files are missing or damaged.
    """
    what = run.validate or ("split" if splits.kind == "identity" else "none")
    if run.validate_pictures and not _is_list(what):
        raise ValueError(
            f"validate_pictures is {run.validate_pictures!r}, but validate is {what!r}, which is not a list of pairs: "
            "leave validate_pictures out"
        )
    if what == "none":
        return None
    if what == "split":
        return _test_side(splits)
    try:
        validation = _read(run, what, input_of(splits.train), data_folder)
    except DataError as error:
        raise DataError(f"validate is {what!r}, but {error}") from error
    except ValueError as error:
        raise ValueError(f"validate is {what!r}, but {error}") from error
    expected, got = tuple(splits.train.inputs.shape[1:]), tuple(validation.inputs.shape[1:])
    if got != expected:
        fix = "give pictures of that shape" if len(expected) == 3 else "give npz:PATH with vectors of that length"
        raise ValueError(
            f"validate is {what!r}, whose samples have the shape {got}, but the run is trained on {expected}: {fix}"
        )
    return validation


def _test_side(splits: Splits) -> ValidationSet:
    if splits.kind != "identity":
        raise ValueError(
            f"validate is 'split', but the test side of {splits.test.name} has the classes of its train side: pass "
            "split='identity', or leave validate out, and the best epoch is that of the highest test accuracy"
        )
    return ValidationSet(f"{splits.test.name}, test side", splits.test.inputs, Subjects(splits.test.labels))


def _is_list(what: str) -> bool:
    """Whether it is the path of a list of pairs: no .bin, no .npz, and no data set as for `Run.data`."""
    path = Path(what).expanduser()
    return path.suffix.lower() not in (".bin", ".npz") and (
        path.is_file() or (path.suffix.lower() in (".csv", ".txt") and ":" not in what)
    )


def _read(run: Run, what: str, model: Input, data_folder: Path | None) -> ValidationSet:
    path = Path(what).expanduser()
    if _is_list(what):
        return _read_list(path, run.validate_pictures, model)
    if path.suffix.lower() == ".bin" and ":" not in what:
        listed = read_bin(path)
        images = decode_pictures(path.name, listed.images, model.image_size)
        truth = ListedPairs(torch.stack([listed.first, listed.second], dim=1), listed.same)
        return ValidationSet(path.name, _fitting(images, model), truth)
    spec = f"npz:{what}" if path.suffix.lower() == ".npz" and ":" not in what else what
    arrays = spec.startswith("npz:")  # of pictures or of vectors, which have no size
    data = load_whole(spec, image_size=None if arrays else model.image_size, root=data_folder)
    inputs = _fitting(data.inputs, model)
    if arrays and inputs.ndim == 4 and model.image_size is not None:
        inputs = resized(inputs, model.image_size)
    return ValidationSet(spec, inputs, Subjects(data.labels))


def _read_list(path: Path, pictures: str, model: Input) -> ValidationSet:
    pairs = read_pairs(path, repeats=True)
    try:
        pairs = read_pairs(path, Path(pictures).expanduser() if pictures else path.parent, repeats=True)
    except DataError as error:  # the list itself can be read
        raise DataError(f"{error}; pass validate_pictures=FOLDER, the one that holds its pictures") from error
    images = read_pictures(path.name, pairs.paths, model.image_size)
    truth = ListedPairs(torch.stack([pairs.first, pairs.second], dim=1), pairs.same)
    return ValidationSet(path.name, _fitting(images, model), truth)


def _fitting(inputs: Tensor, model: Input) -> Tensor:
    """Pictures in the run's channels, where they can be converted."""
    return with_channels(inputs, model.shape[0]) if inputs.ndim == 4 and model.images else inputs
