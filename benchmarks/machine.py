"""What the numbers were measured on."""

import datetime
import os
import platform
from pathlib import Path

import torch
from contenders import PML, pml_version


def machine() -> dict[str, str | float | None]:
    """Processor, cores, threads, versions, system, day and who else ran: what a reader needs to judge a time."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector width": torch.backends.cpu.get_cpu_capability(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        PML: pml_version(),
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load average at the start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
