"""Embeddings to a file that `read_embeddings` reads."""

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.atomic_files import check_file_place, replacing
from ..common.tensor_file import names_in, write_tensors
from ..data import DataError
from ._embeddings import Embeddings

EMBEDDING_SUFFIXES = (".npz", ".npy", ".safetensors")
"""File formats of embeddings, by suffix."""


def write_embeddings(path: Path | str, embeddings: Embeddings) -> None:
    """Write embeddings to an .npz, .npy or .safetensors file, whole or not at all.

    An .npz file holds features, names, and labels as the classes' names. An .npy file holds the features alone. A
    .safetensors file holds features, labels as numbers, and names in its metadata.

    Args:
        path: the file; its folder is made when it is missing.
        embeddings: features (N, D), and names and labels where there are.

    Raises:
        ValueError: the suffix is another.
        FileExistsError: path is a file that holds no embeddings, such as a data set.
        DataError: a feature is not finite, or a name is repeated, which `read_embeddings` refuses.
        OSError: the disk is full, or the like; the file that stood at path is untouched.

    Example:
        >>> import tempfile, torch
        >>> from cones.protocols import read_embeddings
        >>> path = Path(tempfile.mkdtemp()) / "faces.npz"
        >>> write_embeddings(path, Embeddings(torch.eye(2), ("a.jpg", "b.jpg"), torch.tensor([1, 0]), ("ann", "bob")))
        >>> read_embeddings(path).labels
        tensor([1, 0])
    """
    path = Path(path)
    check_embeddings_place(path)
    _check(embeddings)
    with replacing(path) as aside:
        match path.suffix.lower():
            case ".npz":
                np.savez(aside, **_arrays(embeddings))  # type: ignore[arg-type]  # no array is called allow_pickle
            case ".npy":
                np.save(aside, embeddings.features.numpy())
            case _:
                _save_safetensors(aside, embeddings)


def check_embeddings_place(path: Path | str) -> None:
    """Raise unless embeddings may be written to `path`; errors as of `write_embeddings`."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in EMBEDDING_SUFFIXES:
        raise ValueError(f"{path} has the suffix {path.suffix!r}, expected one of {', '.join(EMBEDDING_SUFFIXES)}")
    check_file_place(path)
    if suffix != ".npy" and path.is_file() and not {"features", "embeddings"} & _arrays_in(path):
        raise FileExistsError(f"{path} does not hold embeddings: write to another file (--out)")


def _arrays_in(path: Path) -> set[str]:
    """Names of the arrays in a file; none in one of another kind."""
    if path.suffix.lower() == ".safetensors":
        return names_in(path)
    if not zipfile.is_zipfile(path):
        return set()
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}


def _check(embeddings: Embeddings) -> None:
    bad = ~embeddings.features.isfinite().all(dim=1)
    if bool(bad.any()):
        row = int(bad.int().argmax())
        name = f"row {row}" if embeddings.names is None else embeddings.names[row]
        raise DataError(
            f"the embedding of {name} holds a NaN or an infinity, as do {int(bad.sum())} of {len(bad)}; "
            "expected finite numbers: look at the weights of the model"
        )
    repeated = [name for name, times in Counter(embeddings.names or ()).items() if times > 1]
    if repeated:
        raise DataError(f"the name {repeated[0]!r} occurs twice among the embeddings; expected names that differ")


def _arrays(embeddings: Embeddings) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {"features": embeddings.features.numpy()}
    if embeddings.names is not None:
        arrays["names"] = np.array(embeddings.names, dtype=np.str_)
    if embeddings.labels is not None:
        # -1, an unknown class, takes the last name
        arrays["labels"] = np.array([*embeddings.classes, "-1"], dtype=np.str_)[embeddings.labels.numpy()]
    return arrays


def _save_safetensors(path: Path, embeddings: Embeddings) -> None:
    tensors = {"features": embeddings.features}
    if embeddings.labels is not None:
        tensors["labels"] = embeddings.labels
    metadata = {} if embeddings.names is None else {"names": json.dumps(embeddings.names)}
    write_tensors(path, tensors, metadata)
