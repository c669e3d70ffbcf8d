"""Predicted memory and time of a head's step on 1 and 2 ranks, beside what is measured.

python -m benchmarks.planner.predicted
python -m benchmarks.planner.predicted --classes 20_000 --rounds 1

A round measures a machine profile, as `cones plan --measure` does, and then steps: forward and backward of an ArcFace
head, one thread per rank. Memory is the growth of a rank's resident set from before W is made to the peak of a step.
Prints the median over the rounds of prediction, measurement and their ratio. Other work on the machine takes time from
a step of a second and less from the short calls of a profile: the processor's own time of a step, which that does not
change, is printed beside.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import cones
from benchmarks.class_layer.memory import growth_of
from cones.engine.measuring import measure
from cones.engine.rank_plan import RankPlan

CPU = torch.device("cpu")


class Sizes(NamedTuple):
    """K classes, D dims, N rows in all, P ranks."""

    classes: int
    dim: int
    rows: int
    ranks: int


def plan_of(sizes: Sizes) -> RankPlan:
    """The plan of a rank, without an optimiser."""
    return RankPlan(
        cones.ArcFace(), sizes.classes, sizes.dim, sizes.rows // sizes.ranks, ranks=sizes.ranks, tile_bytes=2**20,
        momentum=False,
    )  # fmt: skip


def predict(sizes: Sizes) -> dict[str, float]:
    """Bytes of the head on a rank, and seconds of a step by a profile that is measured now."""
    a_plan = plan_of(sizes)
    parts = measure(a_plan, CPU, threads=1).seconds(a_plan, a_plan.traffic())
    del parts["optimiser"]
    return {"bytes": sum(a_plan.memory().values()), "seconds": sum(parts.values())} | parts


def run(sizes: Sizes, steps: int) -> dict[str, float]:
    """Bytes and seconds of the steps, as the mean over the ranks."""
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(_run_rank, args=(sizes, steps, folder), nprocs=sizes.ranks, start_method="spawn")
        each = [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(sizes.ranks)]
    return {name: statistics.mean(one[name] for one in each) for name in each[0]}


def _run_rank(rank: int, sizes: Sizes, steps: int, folder: str) -> None:
    torch.set_num_threads(1)
    group = None
    if sizes.ranks > 1:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        store = f"file://{Path(folder) / 'store'}"
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=sizes.ranks)
        group = dist.group.WORLD
    rows = sizes.rows // sizes.ranks
    features, labels = torch.randn(rows, sizes.dim), torch.randint(sizes.classes, (rows,))
    heads = {}

    def together() -> None:
        if group is not None:
            dist.barrier()

    def step(classes: int) -> None:
        if classes not in heads:
            heads[classes] = cones.Head(sizes.dim, classes, cones.ArcFace(), group=group)
        heads[classes].zero_grad()
        leaf = features.clone().requires_grad_()
        heads[classes](leaf, labels % classes).backward()

    step(4096)  # the libraries have then set themselves up
    grown = growth_of(lambda: step(sizes.classes), CPU)
    times, busy = [], []
    for _ in range(steps):
        together()
        start, worked = time.perf_counter(), time.process_time()
        step(sizes.classes)
        times.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
    seconds = {"seconds": statistics.median(times), "processor": statistics.median(busy)}
    result = {"bytes": float(grown or 0)} | seconds
    (Path(folder) / f"{rank}.json").write_text(json.dumps(result))
    together()
    if group is not None:
        dist.destroy_process_group()


def main() -> None:
    """Print a line for each number of ranks, and the parts of the predicted time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=100_000, help="K")
    parser.add_argument("--dim", type=int, default=256, help="D")
    parser.add_argument("--rows", type=int, default=512, help="N, of all ranks together")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="numbers of ranks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="steps in a round, after the one that measures memory")
    arguments = parser.parse_args()
    each = {ranks: Sizes(arguments.classes, arguments.dim, arguments.rows, ranks) for ranks in arguments.ranks}
    rounds: dict[int, list[tuple[dict[str, float], dict[str, float]]]] = {ranks: [] for ranks in each}
    for _ in range(arguments.rounds):
        for ranks, sizes in each.items():
            rounds[ranks].append((predict(sizes), run(sizes, arguments.steps)))
    for ranks, pairs in rounds.items():
        for name, unit, text in (("bytes", 2**20, "MiB"), ("seconds", 1e-3, "ms")):
            predicted, measured = (statistics.median(pair[i][name] for pair in pairs) / unit for i in (0, 1))
            ratios = [pair[0][name] / pair[1][name] for pair in pairs]
            print(
                f"{ranks} ranks: predicted {predicted:,.0f} {text}, measured {measured:,.0f} {text}, ratio "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
        worked = statistics.median(pair[1]["processor"] for pair in pairs)
        print(f"   processor's time of a measured step: {1e3 * worked:,.0f} ms")
        parts = [name for name in pairs[0][0] if name not in ("bytes", "seconds")]
        shown = (f"{name} {1e3 * statistics.median(pair[0][name] for pair in pairs):,.0f}" for name in parts)
        print(f"   predicted ms: {', '.join(shown)}")


if __name__ == "__main__":
    main()
