"""Processes that train one run together: started here or by torchrun, joined, and how their end is told."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from zlib import crc32

import torch
import torch.distributed as dist

from ..common.cores import cores
from ..engine.ranks import Group

SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1,SIGUSR2"
"""What the launcher hands on to its processes."""

PATIENCE = timedelta(minutes=30)
"""How long a rank waits for another in one exchange."""


_met = False


class SaidElsewhere(Exception):
    """An error that another process reports."""


def started_by_torchrun() -> bool:
    """Whether this process is one of several that a launcher started."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def restarted() -> bool:
    """Whether a launcher started this process again, after one of its ranks had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def leads() -> bool:
    """Whether this process speaks: it is alone, or rank 0."""
    return not started_by_torchrun() or os.environ["RANK"] == "0"


def met() -> bool:
    """Whether this process has joined the others, so that its errors are its own."""
    return _met


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """Join the processes that a launcher started with this one; None for one process alone.

    The backend is NCCL where the run is on GPUs, one for each rank of a machine, and gloo elsewhere.

    Args:
        device: of the run.

    Raises:
        SaidElsewhere: for an error that another rank or the launcher reports: the same one, or that a rank ended while
            this one waited for it.
    """
    if not started_by_torchrun():
        yield None
        return
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    global _met
    _met = True
    try:
        yield dist.group.WORLD
        dist.barrier()  # nobody leaves while another still talks to it
    except Exception as error:
        if _of_a_lost_rank(error) or not _first_to_say(str(error)):
            raise SaidElsewhere(str(error)) from error
        raise
    finally:
        dist.destroy_process_group()


def launch(processes: int) -> int:
    """Start this command in P processes on this machine, as torchrun does, and return its exit code.

    Args:
        processes: P, at least 2.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what it says, this says
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = SIGNALS
    given: dict[str, Any] = {"signals_to_handle": SIGNALS} if hasattr(LaunchConfig, "signals_to_handle") else {}
    config = LaunchConfig(
        1, 1, processes, run_id="cones", rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0,
        monitor_interval=0.2, **given,
    )  # fmt: skip
    try:
        elastic_launch(config, sys.executable)("-m", "cones", *sys.argv[1:])
    except SignalException as caught:
        return 130 if caught.sigval == signal.SIGINT else 75
    except ChildFailedError as error:
        return _told(error.failures)
    return 0


def _told(failures: dict[int, Any]) -> int:
    """Say which ranks were ended by a signal, and return the exit code: 75 or 130 after a stop, else that of a rank."""
    for rank, failure in sorted(failures.items()):
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            print(f"cones: rank {rank} was ended by {name}; go on with --resume", file=sys.stderr)
    codes = [failure.exitcode for failure in failures.values()]
    return next((code for code in (75, 130) if code in codes), max(1, *codes))


def _first_to_say(text: str) -> bool:
    """Whether no other rank has said this."""
    try:
        store = dist.distributed_c10d._get_default_store()
        return int(store.add(f"said {crc32(text.encode())}", 1)) == 1
    except RuntimeError:  # the rank that keeps the store is gone
        return True


def _of_a_lost_rank(error: BaseException) -> bool:
    text = str(error)
    signs = ("onnection closed", "onnection reset", "Broken pipe", "remote process exited")  # of gloo, and of NCCL
    return any(sign in text for sign in signs)
