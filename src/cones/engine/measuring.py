"""Measure the speeds of this machine with P processes at work at once, as the ranks of a run are."""

import datetime
import itertools
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from .custom_op import rest_and_own
from .machine import PASSES_OVER_W, Collective, Profile
from .matmul import add_product, product, wide_product
from .planner import MEMORY_BUDGET
from .rank_plan import FLOAT32, RankPlan
from .tiles import settings_for

LONG_ENOUGH = 0.15
"""Seconds that each speed is measured for."""

BLOCK = 2**26
"""Bytes of the memory that is written: more than a cache holds, and than an allocator keeps back."""

FEW, MANY = 2**10, 2**20
"""Numbers (float32) in the two calls of a collective between which its bandwidth is taken."""

CALLS = 15
"""Calls of a collective of each size, of which the median counts."""

PATIENCE = datetime.timedelta(seconds=120)
"""Time after which a process that waits for another gives up."""


def measure(plan: RankPlan, device: torch.device, threads: int, *, precision: str = "float32") -> Profile:
    """Measure a profile for a plan in as many processes as it has ranks, in some seconds.

    Args:
        plan: gives the ranks and the sizes of a tile.
        device: "cpu", or "cuda" with a device for each rank.
        threads: of each process, on a CPU.
        precision: of the gradients' products.

    Raises:
        ValueError: there are fewer devices than ranks.
        RuntimeError: a process failed.
    """
    if device.type == "cuda" and torch.cuda.device_count() < plan.ranks:
        raise ValueError(
            f"ranks is {plan.ranks}, but this machine has {torch.cuda.device_count()} GPUs: measure with fewer ranks"
        )
    step = plan.step
    sizes = {"rows": step.num_rows, "dim": step.dim, "tile": step.tile}
    settings = {**sizes, "device": device.type, "threads": threads, "precision": precision}
    with tempfile.TemporaryDirectory() as folder:
        try:
            mp.start_processes(
                _measure_rank, args=(plan.ranks, folder, settings), nprocs=plan.ranks, start_method="spawn"
            )
        except (mp.ProcessRaisedException, mp.ProcessExitedException) as error:
            raise RuntimeError(f"measuring failed: {str(error).strip().splitlines()[-1]}") from error
        each = [json.loads((Path(folder) / f"rank{rank}.json").read_text()) for rank in range(plan.ranks)]
    speeds = {name: statistics.mean(one["speeds"][name] for one in each) for name in each[0]["speeds"]}
    collectives = {
        kind: Collective(*(statistics.mean(one["collectives"][kind][i] for one in each) for i in range(2)))
        for kind in each[0]["collectives"]
    }
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    shown = threads if device.type == "cpu" else 0
    return Profile(now, _name(device), plan.ranks, shown, precision, **sizes, **speeds, collectives=collectives)


def _measure_rank(rank: int, world: int, folder: str, settings: dict[str, Any]) -> None:
    """Measure as one of the processes, and write the results to the folder."""
    torch.set_num_threads(settings["threads"])
    device = torch.device(settings["device"], rank) if settings["device"] == "cuda" else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world > 1:
        if sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        backend = "nccl" if device.type == "cuda" else "gloo"
        store = f"file://{Path(folder) / 'store'}"
        dist.init_process_group(backend, init_method=store, rank=rank, world_size=world, timeout=PATIENCE)
    try:
        sizes = settings["rows"], settings["dim"], settings["tile"]
        speeds = _speeds(*sizes, settings["precision"], device)
        collectives = _collectives(world, device) if world > 1 else {}
        (Path(folder) / f"rank{rank}.json").write_text(json.dumps({"speeds": speeds, "collectives": collectives}))
        _together()
    finally:
        if world > 1:
            dist.destroy_process_group()


def _speeds(rows: int, dim: int, tile: int, precision: str, device: torch.device) -> dict[str, float]:
    """Speeds of what a rank computes by itself, while the other ranks compute the same.

    Tile after tile of a W and of kept exponentials that no cache holds, as in a step.
    """
    low = torch.bfloat16 if precision == "bfloat16" else None
    count = max(1, BLOCK // (FLOAT32 * tile * max(rows, dim)))
    weight, gradient = (torch.rand(count * tile, dim, device=device).split(tile) for _ in range(2))
    kept = torch.rand(count, rows, tile, device=device).to(low or torch.float32)
    x, divisor = torch.rand(rows, dim, device=device), torch.rand(tile, 1, device=device)
    unit, work, logits, pull = weight[0].clone(), weight[0].clone(), torch.rand(rows, tile, device=device), x.clone()
    low_x, low_unit = (each.to(low or each.dtype) for each in (x, unit))
    powers, turns = torch.empty_like(logits), itertools.cycle(range(count))

    def exponentials() -> None:
        torch.exp2(logits, out=powers)
        powers.sum(dim=1)

    def passes_over_w() -> None:
        of_w, of_gradient = weight[next(turns)], gradient[next(turns)]
        torch.linalg.vector_norm(of_w, dim=1)
        torch.div(of_w, divisor, out=work)
        along = torch.mul(unit, of_w, out=work).sum(dim=1, keepdim=True)
        torch.mul(unit, divisor, out=work)
        torch.addcmul(work, of_w, along, value=-1, out=of_gradient)

    held, source = (torch.zeros(BLOCK // FLOAT32, device=device) for _ in range(2))
    operations = 2.0 * rows * dim * tile
    timed: dict[str, tuple[float, Callable[[], object]]] = {
        "logits": (operations, lambda: wide_product(x, unit.T, low, logits if low else kept[next(turns)])),
        "features": (operations, lambda: add_product(pull, kept[0], low_unit)),
        "weights": (operations, lambda: product(kept[next(turns)].T, low_x, None if low else work)),
        "exponentials": (rows * tile, exponentials),
        "elements": (PASSES_OVER_W * tile * dim, passes_over_w),
        "new_memory": (BLOCK, lambda: torch.empty_like(source).fill_(1.0)),
        "stream": (2 * BLOCK, lambda: held.copy_(source)),
    }
    speeds = {name: work_done / _seconds(function, device) for name, (work_done, function) in timed.items()}
    return speeds | {"tiles": _FEW_TILES / _seconds(lambda: _tiny_tiles(device), device)}


_FEW_TILES, _TINY = 64, 4


def _tiny_tiles(device: torch.device) -> None:
    """Forward and backward of the engine over tiles of a few numbers: all that a tile costs beside its numbers."""
    x = torch.ones(_TINY, _TINY, device=device, requires_grad=True)
    weight = torch.ones(_FEW_TILES * _TINY, _TINY, device=device, requires_grad=True)
    labels = torch.arange(_TINY, device=device)
    settings = settings_for(x, weight, None, "unit", 1.0, MEMORY_BUDGET, None)
    tiles = settings._replace(tile_bytes=FLOAT32 * _TINY**2)
    rest_and_own(x, weight, None, labels, tiles)[0].sum().backward()


def _collectives(world: int, device: torch.device) -> dict[str, tuple[float, float]]:
    """Latency and bandwidth of each kind of collective."""

    def all_to_all(x: torch.Tensor) -> None:
        dist.all_to_all_single(torch.empty_like(x), x)

    def all_gather(x: torch.Tensor) -> None:
        dist.all_gather([torch.empty_like(x) for _ in range(world)], x)

    kinds: dict[str, tuple[float, Callable[[torch.Tensor], object]]] = {
        "all-to-all": ((world - 1) / world, all_to_all),
        "all-gather": (world - 1, all_gather),
        "all-reduce": (2 * (world - 1) / world, dist.all_reduce),
    }
    speeds = {}
    for kind, (sent, call) in kinds.items():
        few, many = (_seconds_of_call(call, numbers - numbers % world, device) for numbers in (FEW, MANY))
        bandwidth = (MANY - FEW) * FLOAT32 * sent / max(many - few, 1e-9)
        speeds[kind] = few, bandwidth
    return speeds


def _seconds_of_call(call: Callable[[torch.Tensor], object], numbers: int, device: torch.device) -> float:
    """Median seconds of a collective on that many numbers, once all ranks are there."""
    x, times = torch.zeros(numbers, device=device), []
    for _ in range(1 + CALLS):
        dist.barrier()
        times.append(_timed(lambda: call(x), device))
    return statistics.median(times[1:])


def _seconds(function: Callable[[], object], device: torch.device) -> float:
    """Median seconds of a call, over calls of `LONG_ENOUGH` in all, begun by all ranks together."""
    for _ in range(2):
        function()
    _together()
    times: list[float] = []
    while sum(times) < LONG_ENOUGH:
        times.append(_timed(function, device))
    return statistics.median(times)


def _timed(function: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    function()
    _wait(device)
    return max(time.perf_counter() - start, 1e-9)


def _together() -> None:
    if dist.is_available() and dist.is_initialized():
        dist.barrier()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _name(device: torch.device) -> str:
    """The GPU's name, or the processor's as Linux lists it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
