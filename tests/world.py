"""Run a function in several processes that form a gloo group, as torchrun would start them."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def in_world(world: int, function: Callable[..., None], *arguments: object) -> None:
    """Call function(rank, world, *arguments) in each of `world` processes; fail if one fails, with its traceback."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        context = mp.start_processes(
            _start, args=(world, store, folder, function, arguments), nprocs=world, join=False, start_method="spawn"
        )
        try:
            while not context.join():
                pass
        except Exception as error:
            told = "\n".join(path.read_text() for path in sorted(Path(folder).glob("error*")))
            raise AssertionError(told or str(error)) from None


def _start(
    rank: int, world: int, store: Path, folder: str, function: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=world, timeout=timedelta(seconds=60)
    )
    try:
        function(rank, world, *arguments)
        dist.barrier()  # nobody leaves while another still talks to it
    except BaseException:
        (Path(folder) / f"error{rank}").write_text(f"rank {rank} of {world}\n{traceback.format_exc()}")
        raise
    finally:
        dist.destroy_process_group()
    # one time in some hundred a thread of PyTorch is still running when the interpreter ends, and aborts the process
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
