"""Verification of listed pairs."""

import os
import warnings
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from ..data import with_channels
from ..embedding import Model, embed
from ..evaluation import Evaluation, EvaluationOptions, Progress, combine_embeddings, pair_scores
from ..evaluation.progress import silent
from ..evaluation.similarity import zero_rows
from ..protocols import (
    Embeddings,
    Pairs,
    decode_pictures,
    read_bin,
    read_pairs,
    read_scores_csv,
    read_templates,
)
from ..protocols.lines import ListForm
from ._evaluated import Evaluated, PictureFiles

FOLDS = 10
"""Folds of a .bin file, whose pairs are in the order of LFW's list."""


def evaluate_list(
    embeddings: Embeddings,
    path: str | os.PathLike[str],
    options: EvaluationOptions,
    *,
    form: ListForm = "auto",
    repeats: bool = False,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
) -> Evaluated:
    """Verify the pairs of a list with named embeddings.

    Intervals are by subject where `subjects_of` knows them.

    Args:
        embeddings: of all files that the list names.
        path: of the list.
        options: of the evaluation.
        form: of the list; "auto" takes csv by the suffix, lfw where the first line is one or two numbers,
            else trials.
        repeats: whether the list may hold a pair more than once.
        folder: where the pictures are; None to show none.
        progress: reports the steps that are done.

    Returns:
        `Evaluated`, with accuracy by folds where the list has two folds or more. Names are those of the embeddings,
        whose suffix may be another than the list's.

    Raises:
        DataError: the list is broken, or names a file without an embedding.
    """
    path = Path(path)
    pairs = read_pairs(path, form=form, repeats=repeats)
    rows = embeddings.rows(pairs.names)
    features = embeddings.features[rows]
    row_pairs = torch.stack([pairs.first, pairs.second], dim=1)
    subjects, names = subjects_of(pairs)
    folds = pairs.fold if pairs.fold is not None and len(pairs.fold.unique()) > 1 else None
    if subjects is None:
        warnings.warn(f"{path}: {_contradiction(pairs)}; intervals are by pair, not by subject", stacklevel=2)
    evaluation = _verified(features, row_pairs, pairs.same, subjects, options, progress, folds)
    embedded = pairs.names if embeddings.names is None else [embeddings.names[row] for row in rows.tolist()]
    images = None if folder is None else PictureFiles([Path(folder) / name for name in embedded])
    return Evaluated(path.name, evaluation, images, embedded, names)


def evaluate_templates(
    embeddings: Embeddings,
    images: str | os.PathLike[str],
    pairs: str | os.PathLike[str],
    options: EvaluationOptions,
    *,
    progress: Progress = silent,
) -> Evaluated:
    """Verify pairs of templates, each the mean of its media's means of unit embeddings.

    Args:
        embeddings: of all images that the list names.
        images: the list "image template media".
        pairs: the list "template template label"; the templates that its genuine pairs link are one subject.
        options: of the evaluation.
        progress: reports the steps that are done.

    Returns:
        `Evaluated`.

    Raises:
        DataError: a list is broken, or names a file without an embedding.
    """
    templates = read_templates(Path(images), Path(pairs))
    members = embeddings.features[embeddings.rows(templates.names)][templates.image].double()
    unit = combine_embeddings([members])
    keys, medium = torch.stack([templates.template, templates.media], 1).unique(dim=0, return_inverse=True)
    means = _means(unit, medium, len(keys))
    features = _means(means, keys[:, 0], len(templates))
    row_pairs = torch.stack([templates.first, templates.second], dim=1)
    subjects = _linked(len(templates), templates.first[templates.same], templates.second[templates.same])
    known = _agree(subjects, templates.first, templates.second, templates.same)
    if not known:
        wrong = _contradicted(subjects, templates.first, templates.second, templates.same)
        both = " and ".join(str(int(templates.ids[end])) for end in row_pairs[wrong])
        warnings.warn(
            f"{pairs} pairs the templates {both} as impostors, but genuine pairs link them; intervals are by pair, "
            "not by subject",
            stacklevel=2,
        )
    evaluation = _verified(features, row_pairs, templates.same, subjects if known else None, options, progress)
    return Evaluated(Path(pairs).name, evaluation, None, [str(number) for number in templates.ids.tolist()])


def evaluate_scores(
    path: str | os.PathLike[str], options: EvaluationOptions, *, progress: Progress = silent
) -> Evaluated:
    """Verify scored pairs from a csv file that `read_scores_csv` takes.

    Raises:
        DataError: the file is broken.
    """
    path = Path(path)
    given = read_scores_csv(path)
    evaluation = options.evaluate_pairs(given.scores, given.same, given.subjects, progress)
    names = [f"pair {place}" for place in range(1, len(given) + 1)]
    return Evaluated(path.name, evaluation, None, names, given.names or None)


def evaluate_bin(
    path: str | os.PathLike[str],
    model: Model,
    options: EvaluationOptions,
    *,
    flip: bool = False,
    progress: Progress = silent,
) -> Evaluated:
    """Verify the pairs of an insightface .bin file with a run's embeddings, with accuracy by ten folds.

    Args:
        path: the file.
        model: from `load_backbone`.
        options: of the evaluation.
        flip: whether features of an image and of its mirror image are added up.
        progress: reports the steps that are done.

    Returns:
        `Evaluated`.

    Raises:
        DataError: the file is broken, or asks for code.
        ValueError: the model takes no pictures.
    """
    path = Path(path)
    if not model.input.images:
        raise ValueError(f"{path} holds pictures, but {model.folder} was trained on vectors")
    given = read_bin(path)
    decoded = decode_pictures(path.name, given.images, model.input.image_size)
    images = with_channels(decoded, model.input.shape[0])
    features = embed(model, images, flip=flip)
    row_pairs = torch.stack([given.first, given.second], dim=1)
    folds = min(FOLDS, len(given)) if len(given) > 1 else None
    evaluation = _verified(features, row_pairs, given.same, None, options, progress, folds)
    return Evaluated(path.name, evaluation, images, [f"image {row}" for row in range(len(images))])


def _verified(
    features: Tensor,
    row_pairs: Tensor,
    same: Tensor,
    subjects: Tensor | None,
    options: EvaluationOptions,
    progress: Progress,
    folds: int | Tensor | None = None,
) -> Evaluation:
    """Verify pairs (P, 2) of rows of features (N, D), by the subjects (N,) of the rows where they are known."""
    scores = pair_scores(features, row_pairs, options.similarity)
    of_pairs = None if subjects is None else subjects[row_pairs]
    evaluation = options.evaluate_pairs(scores, same, of_pairs, progress, rows=row_pairs, folds=folds)
    return replace(evaluation, zero_rows=zero_rows(features, options.similarity))


def subjects_of(pairs: Pairs) -> tuple[Tensor | None, list[str] | None]:
    """The number of each file's subject (M,) and the subjects' names.

    A subject is the first folder of a file's path, where all lie in folders that agree with which pairs are genuine;
    else the files that genuine pairs link together, named by the first of them.

    Returns:
        the numbers and the names; None where genuine pairs link both ends of an impostor pair.

    Example:
        >>> first, second = torch.tensor([0, 1, 0]), torch.tensor([1, 2, 3])
        >>> same = torch.tensor([True, True, False])
        >>> subjects_of(Pairs(("a.wav", "b.wav", "c.wav", "d.wav"), first, second, same, None, None))
        (tensor([0, 0, 0, 1]), ['a.wav', 'd.wav'])
    """
    folders = [PurePosixPath(name).parts[0] if "/" in name else "" for name in pairs.names]
    names = sorted(set(folders))
    numbers = {name: number for number, name in enumerate(names)}
    subjects = torch.tensor([numbers[folder] for folder in folders])
    if "" not in numbers and _agree(subjects, pairs.first, pairs.second, pairs.same):
        return subjects, names
    linked = _linked(len(pairs.names), pairs.first[pairs.same], pairs.second[pairs.same])
    if not _agree(linked, pairs.first, pairs.second, pairs.same):
        return None, None
    first_of = torch.full((int(linked.max()) + 1,), len(linked)).scatter_reduce(
        0, linked, torch.arange(len(linked)), "amin"
    )
    return linked, [pairs.names[place] for place in first_of.tolist()]


def _contradicted(subjects: Tensor, first: Tensor, second: Tensor, same: Tensor) -> int:
    """The first pair whose label contradicts the subjects."""
    return int(((subjects[first] == subjects[second]) != same).nonzero()[0])


def _contradiction(pairs: Pairs) -> str:
    """Text for the first impostor pair whose ends genuine pairs link."""
    linked = _linked(len(pairs.names), pairs.first[pairs.same], pairs.second[pairs.same])
    wrong = _contradicted(linked, pairs.first, pairs.second, pairs.same)
    first, second = pairs.names[int(pairs.first[wrong])], pairs.names[int(pairs.second[wrong])]
    return f"{first} and {second} are an impostor pair, but genuine pairs link them"


def _agree(subjects: Tensor, first: Tensor, second: Tensor, same: Tensor) -> bool:
    return bool(((subjects[first] == subjects[second]) == same).all())


def _linked(count: int, first: Tensor, second: Tensor) -> Tensor:
    """The number of the group (count,) of each item, where pairs link items; groups in the order of their firsts."""
    root = list(range(count))

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        low, high = sorted((find(one), find(other)))
        root[high] = low
    numbers: Tensor = torch.tensor([find(item) for item in range(count)]).unique(return_inverse=True)[1]
    return numbers


def _means(rows: Tensor, group: Tensor, groups: int) -> Tensor:
    """The mean (G, D) of the rows of each group (N,)."""
    counts = torch.bincount(group, minlength=groups).clamp(min=1)
    return rows.new_zeros(groups, rows.shape[1]).index_add_(0, group, rows) / counts[:, None]
