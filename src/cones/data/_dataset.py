"""A labelled data set in memory, and its two sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples with a class each, all in memory.

    Args:
        name: what error messages and reports call it.
        inputs: images (N, C, H, W) as uint8, or vectors (N, D) as float32.
        labels: (N,) int64, the class of each sample, in 0..K-1.
        classes: the K names of the classes; a class may have no sample.
        files: the N files that the samples were read from, relative to the set's folder; None where there are none.

    Raises:
        ValueError: on unequal lengths, a wrong shape or dtype, a label outside 0..K-1, a repeated class name,
            or a number that is not finite.

    Example:
        >>> points = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> Dataset("points", points, torch.tensor([0, 1, 1]), ("up", "right"))
        Dataset('points', 3 x (2,) float32, 2 classes)
    """

    name: str
    inputs: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    files: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check_inputs(self.name, self.inputs)
        _check_labels(self.name, self.labels, len(self.inputs), len(self.classes))
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"classes of {self.name} holds {twice!r} twice; expected names that differ")
        if self.files is not None and len(self.files) != len(self.inputs):
            raise ValueError(
                f"files of {self.name} has {len(self.files)} entries for {len(self.inputs)} inputs; expected one each"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        shape, dtype = tuple(self.inputs.shape[1:]), str(self.inputs.dtype).removeprefix("torch.")
        return f"Dataset({self.name!r}, {len(self)} x {shape} {dtype}, {self.num_classes} classes)"

    @property
    def num_classes(self) -> int:
        """K, the number of classes, those without a sample included."""
        return len(self.classes)

    def select(self, indices: Tensor | Sequence[int]) -> "Dataset":
        """Return the samples at `indices`, in that order, with the same classes.

        Args:
            indices: positions in 0..N-1, or a boolean mask (N,).

        Raises:
            ValueError: if a position lies outside 0..N-1, or a mask is not (N,).
        """
        index = torch.as_tensor(indices)
        if index.dtype == torch.bool:
            if index.shape != (len(self),):
                raise ValueError(
                    f"indices is a mask {tuple(index.shape)}, but {self.name} has {len(self)} samples; "
                    f"expected a mask ({len(self)},)"
                )
        elif index.numel() == 0:
            index = index.long()  # an empty list says nothing of its dtype
        elif int(index.min()) < 0 or int(index.max()) >= len(self):
            wrong = int(index.min()) if int(index.min()) < 0 else int(index.max())
            raise ValueError(
                f"indices holds {wrong}, but {self.name} has {len(self)} samples; "
                f"expected positions in 0..{len(self) - 1}"
            )
        return Dataset(self.name, self.inputs[index], self.labels[index], self.classes, _select(self.files, index))


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set in two sides.

    Args:
        train: the side to learn from.
        test: the side to measure on; its inputs have the shape of `train`'s.
        kind: "given" (the set's own split) or "sample" (drawn): both sides have the same classes; "identity":
            the sides have no class in common and each counts its own from 0.

    Raises:
        ValueError: if the sides' shapes differ, or their classes are not as `kind` says.
    """

    train: Dataset
    test: Dataset
    kind: Literal["given", "sample", "identity"]

    def __post_init__(self) -> None:
        train, test = self.train, self.test
        if train.inputs.shape[1:] != test.inputs.shape[1:]:
            raise ValueError(
                f"test of {test.name} holds inputs {tuple(test.inputs.shape[1:])}, but train holds "
                f"{tuple(train.inputs.shape[1:])}; expected one shape"
            )
        shared = set(train.classes) & set(test.classes)
        if self.kind == "identity" and shared:
            raise ValueError(
                f"kind is 'identity', but train and test of {train.name} share the class {min(shared)!r}; "
                "expected no common class"
            )
        if self.kind != "identity" and train.classes != test.classes:
            raise ValueError(
                f"kind is {self.kind!r}, but train and test of {train.name} have different classes; "
                "expected the same names in the same order"
            )


def _select(files: tuple[str, ...] | None, index: Tensor) -> tuple[str, ...] | None:
    if files is None:
        return None
    positions = index.nonzero().flatten() if index.dtype == torch.bool else index
    return tuple(files[position] for position in positions.tolist())


def _check_inputs(name: str, inputs: Tensor) -> None:
    images = inputs.ndim == 4 and inputs.dtype == torch.uint8
    vectors = inputs.ndim == 2 and inputs.dtype == torch.float32
    if not (images or vectors):
        raise ValueError(
            f"inputs of {name} is {tuple(inputs.shape)} {inputs.dtype}; "
            "expected images (N, C, H, W) as uint8 or vectors (N, D) as float32"
        )
    if 0 in inputs.shape[1:]:
        raise ValueError(f"inputs of {name} is {tuple(inputs.shape)}; expected no empty dimension but the first")
    if vectors:
        bad = ~inputs.isfinite().all(dim=1)
        if bool(bad.any()):
            raise ValueError(
                f"inputs[{int(bad.int().argmax())}] of {name} holds a NaN or an infinity: "
                f"{int(bad.sum())} of {len(inputs)} vectors do; expected finite float32 numbers; "
                "drop or fix these vectors"
            )


def _check_labels(name: str, labels: Tensor, samples: int, classes: int) -> None:
    if labels.dtype != torch.int64 or labels.ndim != 1:
        raise ValueError(f"labels of {name} is {tuple(labels.shape)} {labels.dtype}; expected (N,) torch.int64")
    if len(labels) != samples:
        raise ValueError(f"labels of {name} has {len(labels)} entries, but inputs has {samples}; expected one each")
    outside = (labels < 0) | (labels >= classes)
    if bool(outside.any()):
        where = int(outside.int().argmax())
        raise ValueError(
            f"labels[{where}] of {name} is {int(labels[where])}, but there are {classes} classes; "
            f"expected 0..{classes - 1}"
        )
