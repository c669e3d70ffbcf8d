"""Classes added to a checkpoint and removed from it: rows of W, of the optimiser's state and of centers alike.

K classes of S centers, D dims.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.expressions import brief, did_you_mean
from ..data.labels import encode
from .checkpoint_contents import BIAS, CLASS_WEIGHTS, WEIGHT, Contents


def drop(contents: Contents, classes: Sequence[str]) -> Contents:
    """Return a checkpoint without some classes; the others keep their order, their rows and the state of these.

    Args:
        contents: of the checkpoint.
        classes: names; or numbers among the K.

    Raises:
        ValueError: a class is not there, or none is left.
    """
    gone = {_number(contents, name) for name in classes}
    kept = [number for number in range(contents.num_classes) if number not in gone]
    if not kept:
        raise ValueError(f"classes are all {contents.num_classes} of {contents.stored.path}: expected to keep some")
    index = torch.tensor(kept)

    def rows(name: str, by_class: Tensor) -> Tensor:
        return by_class[index]

    return _edited(contents, rows, tuple(contents.names[number] for number in kept if contents.names), len(kept))


def _number(contents: Contents, name: str) -> int:
    if name in contents.names:
        return contents.names.index(name)
    if name.isdecimal() and int(name) < contents.num_classes:
        return int(name)
    hint = did_you_mean(name, contents.names)
    known = "names of classes, or " if contents.names else ""
    raise ValueError(
        f"class {brief(name)!r} is not in {contents.stored.path}{hint}: expected {known}numbers in "
        f"0..{contents.num_classes - 1}"
    )


def grow(
    contents: Contents,
    names: Sequence[str] = (),
    *,
    count: int | None = None,
    features: Tensor | None = None,
    labels: Tensor | None = None,
    seed: int = 0,
) -> Contents:
    """Return a checkpoint with more classes; the rows of the others and their state stay as they are.

    The first center of a new class is the mean direction of its features, with the mean norm of the rows that are
    there; without features, and for other centers, rows are drawn as a new head draws them. A bias and a class weight
    are the mean of the others', what an optimiser keeps begins at 0, and so do the centers of feature losses, unless
    there are features, whose mean they are. Where the names of the classes are in the order that data sets give them,
    they still are afterwards; otherwise new classes follow the others.

    Args:
        contents: of the checkpoint.
        names: of the new classes; none where the classes there have none.
        count: of the new classes, where they have no names.
        features: (N, D) of samples of new classes, or None.
        labels: (N,) of these, numbers among the new classes; others are left out.
        seed: of the rows that are drawn.

    Raises:
        ValueError: a name is there already or repeated, or names are missing; features have another D.
    """
    added = _count_of(contents, names, count)
    dim = contents.tensors[WEIGHT].shape[1]
    if features is not None and features.shape[1] != dim:
        raise ValueError(f"features have {features.shape[1]} dims, but the classes of the checkpoint have {dim}")
    generator = torch.Generator().manual_seed(seed)
    order = _order(contents, names, added)

    def rows(name: str, by_class: Tensor) -> Tensor:
        new = by_class.new_zeros((added, *by_class.shape[1:]))
        if name == WEIGHT:
            new = torch.empty(new.shape, dtype=torch.float64).normal_(0, 1 / math.sqrt(dim), generator=generator)
            new = new.to(by_class.dtype)
            for number, mean in _means(features, labels, added, unit=True):
                norm = by_class.double().norm(dim=-1).mean()
                new[number, 0] = (F.normalize(mean, dim=0) * norm).to(new.dtype)
        elif name in (BIAS, CLASS_WEIGHTS):
            new[:] = by_class.double().mean().to(new.dtype)
        elif name.endswith(".centers"):
            for number, mean in _means(features, labels, added, unit=False):
                new[number, 0] = mean.to(new.dtype)
        return torch.cat([by_class, new])[order]

    everyone = [*contents.names, *names]
    return _edited(contents, rows, tuple(everyone[number] for number in order if everyone), len(order))


def _count_of(contents: Contents, names: Sequence[str], count: int | None) -> int:
    """Number of new classes, their names checked."""
    if names and not contents.names:
        raise ValueError(f"names are given, but the classes of {contents.stored.path} have none: pass count=N instead")
    if contents.names and count is not None:
        raise ValueError(
            f"count is {count}, but the classes of {contents.stored.path} have names: pass names=NAME instead"
        )
    known = set(contents.names)
    for name in names:
        if name in known:
            raise ValueError(f"class {brief(name)!r} is there already, or given twice: expected new names")
        known.add(name)
    added = len(names) if count is None else count
    if added < 1:
        raise ValueError("no class is given to add: pass names=NAME, features=FILE or count=N")
    return added


def _order(contents: Contents, names: Sequence[str], added: int) -> list[int]:
    """Numbers of the classes, old and new, in their new order."""
    everyone = [*contents.names, *names]
    if names and contents.names == encode(contents.names)[0]:
        place = {name: number for number, name in enumerate(everyone)}
        return [place[name] for name in encode(everyone)[0]]
    return list(range(contents.num_classes + added))


def _means(features: Tensor | None, labels: Tensor | None, added: int, *, unit: bool) -> list[tuple[int, Tensor]]:
    """The mean (D,) of each new class that has features, in float64."""
    if features is None or labels is None:
        return []
    x = F.normalize(features.double(), dim=1) if unit else features.double()
    return [(number, x[labels == number].mean(dim=0)) for number in range(added) if bool((labels == number).any())]


def _edited(
    contents: Contents, rows: Callable[[str, Tensor], Tensor], names: tuple[str, ...], num_classes: int
) -> Contents:
    """Apply `rows` to each tensor with rows per class, as (K, rows of a class, ...)."""
    tensors = {}
    for name, tensor in contents.tensors.items():
        per_class = contents.rows_per_class(name)
        if per_class:
            by_class = rows(name, tensor.view(contents.num_classes, per_class, *tensor.shape[1:]))
            tensor = by_class.reshape(-1, *tensor.shape[1:])
        tensors[name] = tensor
    header = {**contents.header, "head": {**contents.header["head"], "num_classes": num_classes}}
    return replace(contents, tensors=tensors, header=header, names=names)
