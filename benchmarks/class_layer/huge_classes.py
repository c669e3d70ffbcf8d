"""Exact full-softmax training steps over very many classes, with W and its momentum updated inside the backward.

python -m benchmarks.class_layer.huge_classes --classes 10_000_000 --dim 128 --batch 256
python -m benchmarks.class_layer.huge_classes --classes 1_000_000 --dim 512 --batch 512

Prints the plan, the seconds of each step, the products' worth, and the peak resident set of the process.
"""

import argparse
import resource
import statistics
import sys
import time

import torch

import cones
from cones.engine.planner import plan, tile_bytes_of


def peak_gib() -> float:
    """The largest resident set of this process so far, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main() -> None:
    """Train a few steps on random features."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=10_000_000, help="K")
    parser.add_argument("--dim", type=int, default=128, help="D")
    parser.add_argument("--batch", type=int, default=256, help="N")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--bfloat16", action="store_true", help="run the products of the gradients in bfloat16")
    arguments = parser.parse_args()

    torch.manual_seed(0)
    precision = torch.bfloat16 if arguments.bfloat16 else None
    start = peak_gib()
    head = cones.Head(arguments.dim, arguments.classes, cones.ArcFace(), compute_dtype=precision)
    optimizer = cones.ClassSGD(head, lr=0.1, momentum=arguments.momentum, weight_decay=5e-4)
    tile_bytes = tile_bytes_of(head.weight.device)
    a_plan = plan(arguments.batch, arguments.dim, arguments.classes, tile_bytes=tile_bytes)
    print(a_plan)
    seconds = []
    for step in range(arguments.steps):
        features = torch.randn(arguments.batch, arguments.dim, requires_grad=True)
        labels = torch.randint(arguments.classes, (arguments.batch,))
        begin = time.perf_counter()
        loss = head(features, labels)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
        print(f"step {step}: loss {loss.item():.4f}, {seconds[-1]:.1f} s, peak {peak_gib():.2f} GiB", flush=True)
    median = statistics.median(seconds)
    rate = a_plan.operations / median / 1e9
    print(f"median step {median:.1f} s, {rate:.0f} G operations of products a second; libraries {start:.2f} GiB")
    held = a_plan.weight_bytes * (2 if arguments.momentum else 1) / 2**30
    print(f"W{' and momentum' if arguments.momentum else ''} {held:.2f} GiB, peak resident set {peak_gib():.2f} GiB")


if __name__ == "__main__":
    main()
