"""Peak memory of a step, and memory available on the machine."""

import ctypes
import gc
import os
import re
from collections.abc import Callable
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Value that resets the peak of the resident set to its present size when written to clear_refs, see proc(5)."""


def growth_of(step: Callable[[], object], device: torch.device) -> int | None:
    """Bytes by which memory rose above what was held before a step, at its peak; None where it cannot be told.

    On a GPU what tensors take; on a CPU the resident set, as Linux counts it.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    if device.type != "cpu" or not os.access(CLEAR_REFS, os.W_OK):
        return None
    _return_free_memory()
    CLEAR_REFS.write_text(RESET_PEAK)
    before = _resident("VmRSS")
    step()
    return _resident("VmHWM") - before


def available(device: torch.device) -> int | None:
    """Bytes a new process may take; None where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info()[0]
    try:
        found = _kib(Path("/proc/meminfo").read_text(), "MemAvailable")
    except OSError:
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError):
            return None
    group = Path("/sys/fs/cgroup")
    try:
        left = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no control group, or one without a limit
        return found
    return min(found, left)


def _resident(field: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process, in bytes."""
    return _kib(STATUS.read_text(), field)


def _kib(text: str, field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    assert match is not None, field
    return 1024 * int(match[1])


def _return_free_memory() -> None:
    """Have the C library hand back what the warm-up freed: reusing it would hide part of the step's growth."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
