import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..common.atomic_files import check_file_place, replacing
from ..common.expressions import brief
from ..common.import_path import TrustError
from ..common.regular_file import not_a_file
from ..common.tensor_file import metadata_in, write_tensors
from ..head import Head
from ..margins import parse, written
from ._read import WeightsError, read_safetensors

FORMAT = "cones-head-1"


def write_head(path: Path | str, head: Head, *, classes: Sequence[str] = ()) -> None:
    """Write a head to a .safetensors file, whole or not at all: its tensors, and its margin as text in the header.

    A margin is kept as text, which is parsed when it is read, and not executed. What belongs to a process and not to
    the weights (sample_rate, normaliser, compute_dtype, memory_budget, group) is not written.

    Args:
        path: the file; its folder is made when it is missing.
        head: the head.
        classes: the K names of its classes, as a JSON list under "classes" in the metadata; none to leave them out.

    Raises:
        ValueError: the head holds only a part of its classes, or the suffix is not .safetensors.
        FileExistsError: path is a file that is not a head.
        OSError: the disk is full, or the like; the file that stood at path is untouched.

    Example:
        >>> import tempfile
        >>> from cones import CosFace
        >>> path = Path(tempfile.mkdtemp()) / "head.safetensors"
        >>> write_head(path, Head(4, 10, CosFace(margin=0.2)))
        >>> read_head(path)
        Head(in_features=4, num_classes=10, margin=CosFace(margin=0.2, scale=64.0), bias=False, learn_scale=False)
    """
    check_head_place(path)
    if len(head.weight) % head.num_classes:
        raise ValueError(
            f"head has {len(head.weight)} rows for {head.num_classes} classes: gather the rows of all processes first"
        )
    header = {
        "margin": written(head.margin),
        "num_classes": head.num_classes,
        "label_smoothing": head.label_smoothing,
        "focal": head.focal,
    }
    metadata = {"format": FORMAT, "head": json.dumps(header)}
    if classes:
        metadata["classes"] = json.dumps(list(classes))
    with replacing(Path(path)) as aside:
        write_tensors(aside, head.state_dict(), metadata)


def check_head_place(path: Path | str) -> None:
    """Raise unless a head may be written to `path`; errors as of `write_head`."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} has the suffix {path.suffix!r}, expected .safetensors for a head")
    check_file_place(path)
    if path.is_file() and metadata_in(path).get("format") != FORMAT:
        raise FileExistsError(f"{path} is not a head: write to another file (--out)")


def read_head(path: Path | str, *, trust: bool = False) -> Head:
    """Read a head that `write_head` wrote, onto the CPU.

    Args:
        path: the file.
        trust: whether a user-defined margin, which the file names as "package.module:Class", may be imported.

    Returns:
        the head with its weights, margin and settings.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it is broken, or was not written by `write_head`.
        TrustError: its margin is user code, and trust is False.

    Example: see `write_head`.
    """
    path = Path(path)
    if fault := not_a_file(path):
        raise FileNotFoundError(f"{fault}; expected a head, as `cones migrate` writes it")
    tensors, metadata = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} is not a head: expected the format {FORMAT}, as `cones migrate` writes it")
    try:
        settings = json.loads(metadata["head"])
    except (ValueError, KeyError, RecursionError) as error:
        raise WeightsError(f"{path} is broken ({_reason(error)}): replace it with an intact copy") from error
    try:
        return build_head(tensors, settings, trust=trust)
    except TrustError as error:
        raise TrustError(f"{path}: {error}") from None
    except WeightsError as error:
        raise WeightsError(f"{path} is broken ({error}): replace it with an intact copy") from error


def build_head(tensors: dict[str, Tensor], settings: dict[str, Any], *, trust: bool = False) -> Head:
    """Build a head from its state and its settings, as a file has them.

    Args:
        tensors: `head.state_dict()`, with the rows of all classes.
        settings: margin, as text, num_classes, label_smoothing and focal.
        trust: as of `read_head`.

    Returns:
        the head.

    Raises:
        WeightsError: they are broken, or do not fit each other.
        TrustError: the margin is user code, and trust is False.
    """
    try:
        return _build(tensors, settings, trust)
    except TrustError:
        raise
    except (ValueError, KeyError, TypeError, OverflowError, ZeroDivisionError, RecursionError, RuntimeError) as error:
        raise WeightsError(_reason(error)) from error


def _reason(error: Exception) -> str:
    return brief(" ".join(f"{type(error).__name__}: {error}".split()), 200)


def _build(tensors: dict[str, Tensor], header: dict[str, Any], trust: bool) -> Head:
    weight, num_classes = tensors["weight"], int(header["num_classes"])
    head = Head(
        weight.shape[1],
        num_classes,
        parse(header["margin"], trust=trust),
        bias="bias" in tensors,
        learn_scale="scale" in tensors,
        subcenters=len(weight) // num_classes,
        label_smoothing=float(header["label_smoothing"]),
        focal=float(header["focal"]),
        class_weights=tensors.get("class_weights"),
        dtype=weight.dtype,
    )
    with torch.no_grad():
        head.load_state_dict(tensors)
    return head
