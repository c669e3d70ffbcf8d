"""features.safetensors of a run: features of both sides, with the class weights and the losses they come from."""

# N rows of a side, D dims, K classes.

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from .atomic_files import replacing
from .expressions import brief
from .regular_file import not_a_file
from .run_folder import parse_json
from .tensor_file import DamagedError, read_tensors, write_tensors


class Side(NamedTuple):
    """Features (N, D) and labels (N,) of one side of the data."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class RunFeatures:
    """Contents of features.safetensors.

    Attributes:
        train, test: features and labels.
        weight: (K, D).
        bias: (K,) or None.
        margin: the margin at the end of the run, as text.
        objective: the sum of losses that was minimised, as text, with its schedules.
        in_force: the same as it was at the end.
        classes: K names.
        test_classes: names of the classes of test.
    """

    train: Side
    test: Side
    weight: Tensor
    bias: Tensor | None
    margin: str
    objective: str
    in_force: str
    classes: tuple[str, ...]
    test_classes: tuple[str, ...]


def write_run_features(path: Path, contents: RunFeatures) -> None:
    """Write the file, whole or not at all."""
    tensors = {"weight": contents.weight}
    if contents.bias is not None:
        tensors["bias"] = contents.bias
    for name, side in (("train", contents.train), ("test", contents.test)):
        tensors[f"{name}_features"], tensors[f"{name}_labels"] = side
    metadata = {
        "margin": contents.margin,
        "objective": contents.objective,
        "in_force": contents.in_force,
        "classes": json.dumps(contents.classes),
        "test_classes": json.dumps(contents.test_classes),
    }
    with replacing(path) as aside:
        write_tensors(aside, tensors, metadata)


def read_run_features(path: Path) -> RunFeatures:
    """Read the file; what an earlier version did not write yet follows from the rest.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is broken, or has not all that the trainer writes.
    """
    if fault := not_a_file(path):
        raise FileNotFoundError(f"{fault}: a report needs a finished run, with all the files it writes")
    try:
        tensors, metadata = read_tensors(path)
    except DamagedError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    try:
        train, test = (
            Side(tensors[f"{name}_features"], tensors[f"{name}_labels"].long()) for name in ("train", "test")
        )
        margin, classes = metadata["margin"], metadata["classes"]
        return RunFeatures(
            train=train,
            test=test,
            weight=tensors["weight"],
            bias=tensors.get("bias"),
            margin=margin,
            objective=metadata.get("objective", margin),
            in_force=metadata.get("in_force", margin),
            classes=_names(classes, f"{path}: classes"),
            test_classes=_names(metadata.get("test_classes", classes), f"{path}: test_classes"),
        )
    except KeyError as error:
        raise ValueError(f"{path} has no {error}: was it written by this version of the trainer?") from error


def _names(text: str, where: str) -> tuple[str, ...]:
    names = parse_json(text, where)
    if not isinstance(names, list) or not names:
        raise ValueError(f"{where} is {brief(repr(names))}, expected a list of names")
    return tuple(str(name) for name in names)
