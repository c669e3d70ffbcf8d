"""Embeddings that some network has already computed."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import splitext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..common.regular_file import not_a_file
from ..common.tensor_file import DamagedError, read_tensors
from ..data import DataError
from ..data.formats import readable
from ..data.labels import encode
from ..data.npz import array_error, misspelt, read_arrays

_RECORDINGS = frozenset((".aac", ".flac", ".m4a", ".mp3", ".npy", ".ogg", ".opus", ".pt", ".sph", ".wav"))
_EXPECTED = "expected features (or embeddings), and names or labels or both or neither"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of N files.

    Args:
        features: (N, D) float32, all finite.
        names: the N names of the embedded files, all different; None where the file has none.
        labels: (N,) int64, the class of each, in 0..K-1, or -1 where it is not known; None where the file has none.
        classes: the K names of the classes; empty without labels.

    Example:
        >>> Embeddings(torch.eye(3), ("a.jpg", "b.jpg", "c.jpg"), None, ()).rows(["c.jpg", "a.jpg"])
        tensor([2, 0])
    """

    features: Tensor
    names: tuple[str, ...] | None
    labels: Tensor | None
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, names: Sequence[str]) -> Tensor:
        """Return the position of each name, so that features[rows(pairs.names)] are those of a list of pairs.

        A name that is not there is looked up under the other suffixes of pictures and recordings: "ann/1.jpg" of a
        list is the embedded "ann/1.png", where no other name differs by its suffix alone.

        Args:
            names: M names, which may repeat.

        Returns:
            (M,) int64.

        Raises:
            DataError: if the embeddings have no names, or a name is not among them.
        """
        if self.names is None:
            raise DataError(f"the embeddings have no names to look {len(names)} up in; save them with an array names")
        positions = {name: position for position, name in enumerate(self.names)}
        if not all(name in positions for name in names):
            positions = {**_by_stem(self.names, names), **positions}
        missing = [name for name in names if name not in positions]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(names)} names have no embedding, the first of them {missing[0]!r}; "
                f"the embeddings have names like {self.names[0]!r}"
            )
        return torch.tensor([positions[name] for name in names], dtype=torch.int64)


def _by_stem(embedded: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """The position of each name whose stem one embedded name has, and no other."""
    times = Counter(map(_stem, embedded))
    positions = {_stem(name): position for position, name in enumerate(embedded)}
    stems = {name: _stem(name) for name in names}
    return {name: positions[stem] for name, stem in stems.items() if times[stem] == 1}


def _stem(name: str) -> str:
    """The name without the suffix of a picture or a recording; any other end is part of the name."""
    stem, suffix = splitext(name)
    return stem if suffix.lower() in _RECORDINGS or suffix.lower() in readable() else name


def read_embeddings(path: Path | str) -> Embeddings:
    """Return the embeddings of an .npz, .npy or .safetensors file.

    An .npz file has an array features (or embeddings) (N, D), and may have names (N,), strings, and labels (N,),
    integers or strings; the label -1 is an unknown class: in an evaluation its row is an impostor to every other.
    An .npy file is the features alone. A .safetensors file has the tensors features (or
    embeddings) and maybe labels, integers; names are a JSON list under "names" in its metadata.

    Args:
        path: the file. What is pickled in it is refused: to read it could run any code.

    Returns:
        `Embeddings`: features (N, D) float32, and names and labels where it has them.

    Raises:
        DataError: if the file cannot be read, an array is missing or has a wrong shape or dtype, a number is not
            finite, or a name is repeated.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "faces.npz"
        >>> np.savez(path, features=np.eye(2), names=["a.jpg", "b.jpg"], labels=["ann", "bob"])
        >>> read_embeddings(path).classes
        ('ann', 'bob')
    """
    path = Path(path)
    readers = {".npz": _from_npz, ".npy": _from_npy, ".safetensors": _from_safetensors}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path} has the suffix {path.suffix!r}; expected one of {', '.join(readers)}")
    if fault := not_a_file(path):
        raise DataError(f"{fault}; {_EXPECTED}")
    return read(path)


def _from_npz(path: Path) -> Embeddings:
    arrays = read_arrays(path, _EXPECTED)
    key = _key(path, list(arrays))
    names, labels = arrays.get("names"), arrays.get("labels")
    if names is not None and (names.ndim != 1 or names.dtype.kind != "U"):
        raise DataError(f"names of {path} is {names.shape} {names.dtype}; expected (N,) strings (dtype <U)")
    features = _numbers(path, key, arrays[key])
    return _checked(path, features, None if names is None else names.tolist(), labels)


def _from_npy(path: Path) -> Embeddings:
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (OSError, EOFError, MemoryError, OverflowError, ValueError) as error:
        raise array_error(path, error, f"an .npy file ({error}); expected one array (N, D)") from error
    if not isinstance(array, np.ndarray):  # a zip file under this name is read as an .npz file
        array.close()
        raise DataError(f"{path} is an .npz file by its contents; rename it so that it ends in .npz")
    return _checked(path, _numbers(path, "the array", array), None, None)


def _from_safetensors(path: Path) -> Embeddings:
    try:
        tensors, metadata = read_tensors(path)
    except (OSError, DamagedError) as error:
        raise DataError(f"{path} cannot be read as a safetensors file ({error}); {_EXPECTED}") from error
    key = _key(path, list(tensors))
    features, labels = tensors[key], tensors.get("labels")
    if features.ndim != 2 or features.is_complex() or features.dtype == torch.bool:
        raise DataError(f"{key} of {path} is {tuple(features.shape)} {features.dtype}; expected (N, D) real numbers")
    return _checked(
        path, _narrowed(path, key, features), _names(path, metadata), None if labels is None else labels.numpy()
    )


def _names(path: Path, metadata: dict[str, str]) -> list[str] | None:
    if "names" not in metadata:
        return None
    try:
        names = json.loads(metadata["names"])
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f'the metadata of {path} has "names" that are not a JSON list of strings; write json.dumps(names)'
        )
    return names


def _key(path: Path, keys: list[str]) -> str:
    present = [key for key in ("features", "embeddings") if key in keys]
    hint = misspelt(keys, ("names", "labels", *(() if present else ("features", "embeddings"))))
    if len(present) != 1 or hint:
        raise DataError(f"{path} holds the arrays {', '.join(sorted(keys)) or '(none)'}; {_EXPECTED}{hint}")
    return present[0]


def _numbers(path: Path, key: str, array: npt.NDArray[Any]) -> Tensor:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(f"{key} of {path} is {array.shape} {array.dtype}; expected (N, D) real numbers")
    return _narrowed(path, key, torch.from_numpy(array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)))


def _narrowed(path: Path, key: str, features: Tensor) -> Tensor:
    """Return features (N, D) in float32, where numbers too large become infinities, which `_checked` refuses."""
    narrow = features.float()
    if features.dtype == torch.float64 and features.numel():
        largest = features.abs().amax(dim=1)
        lost = (largest > 0) & (largest < torch.finfo(torch.float32).tiny)
        if bool(lost.any()):
            row = int(lost.int().argmax())
            raise DataError(
                f"row {row} of {key} of {path} is too small for float32, its largest number being {largest[row]:.3g}, "
                f"as are {int(lost.sum())} of {len(features)} rows: divide all features by their largest number, which "
                "changes no cosine"
            )
    return narrow


def _checked(path: Path, features: Tensor, names: list[str] | None, labels: npt.NDArray[Any] | None) -> Embeddings:
    if 0 in features.shape:
        raise DataError(f"the features of {path} are {tuple(features.shape)}; expected at least one row and one column")
    bad = ~features.isfinite().all(dim=1)
    if bool(bad.any()):
        raise DataError(
            f"row {int(bad.int().argmax())} of the features of {path} holds a NaN or an infinity (in float32), as do "
            f"{int(bad.sum())} of {len(features)} rows; expected finite numbers"
        )
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in "iuU"):
        raise DataError(f"labels of {path} is {labels.shape} {labels.dtype}; expected (N,) integers or strings")
    for kind, given in (("names", names), ("labels", labels)):
        if given is not None and len(given) != len(features):
            raise DataError(f"{path} has {len(given)} {kind} for {len(features)} features; expected one each")
    repeated = [name for name, times in Counter(names or ()).items() if times > 1]
    if repeated:
        raise DataError(f"{path} has the name {repeated[0]!r} twice; expected names that differ")
    classes, codes = ((), None) if labels is None else as_classes(labels)
    return Embeddings(features, None if names is None else tuple(names), codes, classes)


def as_classes(labels: npt.NDArray[Any]) -> tuple[tuple[str, ...], Tensor]:
    """Class names and numbers; -1, as a number or as text, stays -1 and is no class."""
    known = labels != ("-1" if labels.dtype.kind == "U" else -1)
    classes, codes = encode(labels[known])
    numbers = torch.full((len(labels),), -1, dtype=torch.int64)
    numbers[torch.from_numpy(known)] = codes
    return classes, numbers
