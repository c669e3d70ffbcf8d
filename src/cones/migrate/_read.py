"""Tensors from a file, without executing anything that is pickled in it."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..common.regular_file import not_a_file
from ..common.tensor_file import DamagedError, read_tensors


class WeightsError(RuntimeError):
    """Raised for a file or a state without usable class weights; the text says why and what to do."""


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Read the tensors of a .pt, .pth or .safetensors file by name; nothing in the file is executed.

    Nested dictionaries are joined with dots, so that "state_dict_softmax_fc" -> "weight" is
    "state_dict_softmax_fc.weight". What is no tensor is left out. A file that is one bare tensor is {"weight": it}.

    Args:
        path: the file; .safetensors is read as such, anything else by torch.load(weights_only=True).

    Returns:
        tensors by name, on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it could only be read by executing what is pickled in it, or it is broken.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "checkpoint.pt"
        >>> torch.save({"epoch": 3, "head": {"weight": torch.zeros(2, 4)}}, path)
        >>> read_weights(path)["head.weight"].shape
        torch.Size([2, 4])
    """
    path = Path(path)
    if fault := not_a_file(path):
        raise FileNotFoundError(f"{fault}; expected class weights")
    content = read_safetensors(path)[0] if path.suffix == ".safetensors" else _read_torch(path)
    if isinstance(content, Tensor):
        content = {"weight": content}
    tensors = dict(_flat(content, ()))
    if not tensors:
        raise WeightsError(
            f"{path} holds no tensor: expected a state dict, as torch.save(loss.state_dict(), PATH) writes"
        )
    return tensors


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and metadata.

    Raises:
        WeightsError: the file is broken.
    """
    try:
        return read_tensors(path)
    except (OSError, DamagedError) as error:
        raise WeightsError(f"{path} is broken ({_one_line(error)}): replace it with an intact copy") from error


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other formats, which are refused below anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        match = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it imports {match[1]}" if match else "it is pickled in a way that only execution could read"
        raise WeightsError(
            f"{path} was not read and nothing in it was executed: {what}, and plain weights need no code; if you "
            f"trust the file, load it yourself and save the weights alone by torch.save(loss.state_dict(), PATH)"
        ) from None
    except Exception as error:  # what a broken file raises has no common class
        raise WeightsError(f"{path} cannot be read as a file of weights ({_one_line(error)})") from error


def _flat(content: Any, prefix: tuple[str, ...]) -> list[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        return [(".".join(prefix), content.detach())]
    if isinstance(content, Mapping):
        return [pair for key, value in content.items() for pair in _flat(value, (*prefix, str(key)))]
    return []


def _one_line(error: Exception) -> str:
    first = " ".join(str(error).split()).split(". ")[0]
    return first or type(error).__name__
