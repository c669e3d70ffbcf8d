import json
from pathlib import Path

import torch

from ..files import replacing
from ..head import Head
from ..import_path import TrustError
from ..margins import parse, written
from ._read import WeightsError

FORMAT = "cones-head-1"


def write_head(path: Path | str, head: Head) -> None:
    """Write a head to a .safetensors file, whole or not at all: its tensors, and its margin as text in the header.

    A margin is kept as text, which is parsed when it is read, and not executed. What belongs to a process and not to
    the weights (sample_rate, compute_dtype, memory_budget, group) is not written.

    Args:
        path: the file; its folder is made when it is missing.
        head: the head.

    Raises:
        ValueError: the head holds only a part of its classes.
        OSError: the disk is full, or the like; the file that stood at path is untouched.

    Example:
        >>> import tempfile
        >>> from cones import CosFace
        >>> path = Path(tempfile.mkdtemp()) / "head.safetensors"
        >>> write_head(path, Head(4, 10, CosFace(margin=0.2)))
        >>> read_head(path)
        Head(in_features=4, num_classes=10, margin=CosFace(margin=0.2, scale=64.0), bias=False, learn_scale=False)
    """
    from safetensors.torch import save_file

    if len(head.weight) % head.num_classes:
        raise ValueError(
            f"head has {len(head.weight)} rows for {head.num_classes} classes: gather the rows of all processes first"
        )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    header = {
        "margin": written(head.margin),
        "num_classes": head.num_classes,
        "label_smoothing": head.label_smoothing,
        "focal": head.focal,
    }
    with replacing(Path(path)) as aside:
        save_file(tensors, aside, {"format": FORMAT, "head": json.dumps(header)})


def read_head(path: Path | str, *, trust: bool = False) -> Head:
    """The head that `write_head` wrote, on the CPU.

    Args:
        path: the file.
        trust: whether a margin of one's own, which the file names as "package.module:Class", may be imported.

    Returns:
        the head with its weights, margin and settings.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it is broken, or was not written by `write_head`.
        TrustError: its margin is code of one's own, and trust is False.

    Example: see `write_head`.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise WeightsError(f"{path} is no head: expected the format {FORMAT}, as `cones migrate` writes it")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = json.loads(metadata["head"])
            margin, num_classes = parse(header["margin"], trust=trust), int(header["num_classes"])
            weight = tensors["weight"]
            label_smoothing, focal = float(header["label_smoothing"]), float(header["focal"])
    except TrustError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is broken ({error}): put a whole copy in its place") from error
    head = Head(
        weight.shape[1],
        num_classes,
        margin,
        bias="bias" in tensors,
        learn_scale="scale" in tensors,
        subcenters=len(weight) // num_classes,
        label_smoothing=label_smoothing,
        focal=focal,
        class_weights=tensors.get("class_weights"),
        dtype=weight.dtype,
    )
    with torch.no_grad():
        head.load_state_dict(tensors)
    return head
