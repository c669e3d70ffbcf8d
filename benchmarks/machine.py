"""Description of the machine that measures."""

import datetime
import os
import platform
from pathlib import Path

import torch

from benchmarks.class_layer.contenders import PML, pml_version
from cones.common.cores import cores
from cones.engine.matmul import kernel


def machine() -> dict[str, str | float | None]:
    """Processor, cores, threads, versions, system, day and who else ran: what a reader needs to judge a time."""
    return {
        "processor": _processor(),
        "family": _cpuinfo("cpu family"),
        "model": _cpuinfo("model"),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "vector width": torch.backends.cpu.get_cpu_capability(),
        "faster kernel of float32 products": kernel(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        PML: pml_version(),
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load average at the start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def short_name() -> str:
    """A folder's name for this kind of processor: maker, family, model and vector width, as amd-25-1-avx2."""
    maker = (_processor().split() or ["unknown"])[0].lower().removesuffix("(r)")
    numbers = [field for name in ("cpu family", "model") if (field := _cpuinfo(name)) is not None]
    return "-".join([maker, *numbers, torch.backends.cpu.get_cpu_capability().lower()])


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> str | None:
    """A field of the first processor as Linux lists it, None elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == field), None)
