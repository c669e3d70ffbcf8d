"""Versions under which a run was trained, and the kernel of its products."""

import json
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..common.atomic_files import write_text
from ..common.run_folder import read_text
from ..engine.matmul import kernel, use_kernel


def write_versions(path: Path, step: int) -> None:
    """Write the versions of cones, PyTorch and Python that train a run from a step on, and the kernel of its products.

    The file is a list; a run that goes on under other versions adds an entry.
    """
    now = {"cones": __version__, "torch": torch.__version__, "python": platform.python_version()}
    now["kernel"] = kernel()
    earlier = [entry for entry in _read(path) if entry["from_step"] < step] if step else []
    if not earlier or {name: earlier[-1].get(name) for name in now} != now:
        earlier.append({"from_step": step, **now})
    write_text(path, json.dumps(earlier, indent=2) + "\n")


def use_recorded_kernel(path: Path) -> None:
    """Take the kernel that the run was trained with, where it is here: so the run goes on bit by bit."""
    earlier = _read(path)
    if earlier and "kernel" in earlier[-1]:
        with suppress(ValueError):
            use_kernel(earlier[-1]["kernel"])


def _read(path: Path) -> list[dict[str, Any]]:
    """Earlier entries; a file that cannot be read tells nothing about the weights, and is written again."""
    try:
        entries = json.loads(read_text(path))
        return [entry for entry in entries if isinstance(entry["from_step"], int)]
    except (OSError, ValueError, KeyError, TypeError):
        return []
