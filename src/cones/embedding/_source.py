"""Embeddings of a source as the command line names it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from ..data import Dataset, is_flat, load_whole, read_flat_folder, with_channels
from ..protocols import Embeddings
from ..training.data import read_data, read_same_data
from ._embed import embed
from ._model import Model

Side = Literal["all", "train", "test"]
_NESTED = "nested:"


def embed_source(
    model: Model,
    source: str | os.PathLike[str],
    *,
    side: Side = "all",
    flip: bool = False,
    data_folder: Path | None = None,
) -> Embeddings:
    """Embeddings of a data set or of a folder of pictures, which are brought into the form that the run was trained on.

    Pictures are stretched to the run's size, as its own were; grey ones are repeated for a model of colour, and colour
    becomes its luma for a model of grey.

    Args:
        model: from `load_backbone`.
        source: as the data of a run: a name, folder:PATH, nested:PATH, npz:PATH, csv:PATH or glyphs:PATH. Or the path
            of a folder, which holds one folder a class, or pictures without labels where more pictures lie right in
            it than in folders below; so may that of nested:PATH, of which the pictures in all folders are read.
        side: "train" or "test" for that side, split as the run splits its data; "all" for every sample.
        flip: as of `embed`.
        data_folder: where named data sets are kept; None for the usual place.

    Returns:
        `Embeddings`: features (N, D), the files' names, relative to the folder, where there are files, and labels where
        there are.

    Raises:
        DataError: a file is missing or cannot be read; the error names it.
        TrainingError: the source is a side of the run's own data, which have changed since it was trained.
        ValueError: the data are not of the kind that the run was trained on, or an argument is out of its range.
    """
    if side not in ("all", "train", "test"):
        raise ValueError(f"side is {side!r}, expected one of all, train, test")
    source = os.fspath(source)
    nested = source.startswith(_NESTED)
    folder = Path(source.removeprefix(_NESTED)).expanduser()
    if folder.is_dir() and not model.input.images:
        raise ValueError(
            f"source is {source!r}, a folder of pictures, but {model.folder} was trained on vectors: "
            "give an npz:PATH of features"
        )
    if folder.is_dir() and is_flat(folder):
        return _embed_flat(model, folder, side, flip, nested)
    dataset = _read(model, f"folder:{folder}" if folder.is_dir() and not nested else source, side, data_folder)
    features = embed(model, _fitting(model, dataset.inputs), flip=flip)
    return Embeddings(features, dataset.files, dataset.labels, dataset.classes)


def _embed_flat(model: Model, folder: Path, side: Side, flip: bool, nested: bool) -> Embeddings:
    if side != "all":
        raise ValueError(
            f"side is {side!r}, but {folder} holds pictures without labels, which have no sides: leave side out"
        )
    images, names = read_flat_folder(folder, model.input.image_size, nested=nested)
    return Embeddings(embed(model, _fitting(model, images), flip=flip), names, None, ())


def _read(model: Model, spec: str, side: Side, data_folder: Path | None) -> Dataset:
    size = model.input.image_size
    if side == "all":
        return load_whole(spec, image_size=size, root=data_folder)
    if _same_place(spec, model.run.data):
        splits = read_same_data(model.folder, data_folder)
    else:
        splits = read_data(replace(model.run, data=spec, image_size=size or 0), data_folder)
    return splits.train if side == "train" else splits.test


def _same_place(a: str, b: str) -> bool:
    """True where two specs name the same data, in any spelling of their paths."""
    (kind, colon, path), (other_kind, _, other_path) = a.partition(":"), b.partition(":")
    return a == b or (
        colon != ""
        and kind == other_kind
        and Path(path).expanduser().resolve() == Path(other_path).expanduser().resolve()
    )


def _fitting(model: Model, inputs: Tensor) -> Tensor:
    """Images in the model's channels; `embed` refuses those that do not fit."""
    return with_channels(inputs, model.input.shape[0]) if model.input.images and inputs.ndim == 4 else inputs
