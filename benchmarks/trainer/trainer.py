"""Images per second of `cones train` against a plain PyTorch loop, timed in turn in one process.

The trainer takes its whole step as users get it: batches, margin head, clipping, a line of metrics every ten steps.
The plain loop is what one writes by hand: DataLoader over a TensorDataset, nn.Linear and F.cross_entropy, no metrics.
Both have the same layers, batch size, optimiser settings, clipping, precision and memory layout. Tests and checkpoints
at the end of an epoch are not in the times.

python -m benchmarks.trainer.trainer [--data mnist5k] [--steps 20] [--rounds 9] [--width 0.5] [--threads 0] [--smoke]
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from cones.backbones import build
from cones.backbones._prelu import PReLU
from cones.data import Dataset, load
from cones.training import Run, fit

RIVALS = {
    "plain": (0, False),
    "plain, 2 workers": (2, False),
    "plain, our PReLU": (0, True),
}
"""Workers of the DataLoader, and whether the net has our PReLU."""


def ours(run: Run, folder: Path, data_folder: Path | None) -> Generator[tuple[int, float]]:
    """Train by `fit`; yield steps and the seconds they took, as often as it logs."""
    before, start = 0, time.perf_counter()
    for metrics in fit(run, folder, data_folder=data_folder):
        taken = time.perf_counter() - start
        if metrics["kind"] == "train":
            yield metrics["step"] - before, taken
        # what ended in a line of the test side, the last steps of an epoch with it, does not count
        before, start = metrics["step"], time.perf_counter()


def plain(run: Run, train: Dataset, workers: int, own_prelu: bool) -> Generator[tuple[int, float]]:
    """Train by a loop written by hand, the net with PyTorch's PReLU or our own; yield as `ours`."""
    layout = torch.channels_last if run.channels_last else torch.contiguous_format
    dim = run.with_feature_dim().feature_dim
    torch.manual_seed(run.seed)
    net = nn.Sequential(
        build(run.backbone, train.inputs.shape[1:], dim, run.width),
        nn.Linear(dim, train.num_classes),
    )
    net = net.to(memory_format=layout)  # type: ignore[call-overload]
    if not own_prelu:
        for module in [module for module in net.modules() if isinstance(module, PReLU)]:
            module.forward = partial(nn.PReLU.forward, module)  # type: ignore[method-assign]
    optimizer = torch.optim.SGD(
        net.parameters(), lr=run.learning_rate, momentum=run.momentum, weight_decay=run.weight_decay
    )
    loader = DataLoader(
        TensorDataset((train.inputs.float() - 127.5) / 128, train.labels),
        batch_size=run.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    start = time.perf_counter()
    for step, (x, y) in enumerate((batch for _ in itertools.count() for batch in loader), start=1):
        with torch.autocast("cpu", torch.bfloat16, enabled=run.precision == "bfloat16"):
            loss = F.cross_entropy(net(x.contiguous(memory_format=layout)), y)
        optimizer.zero_grad()
        loss.backward()
        if run.clip_norm:
            nn.utils.clip_grad_norm_(net.parameters(), run.clip_norm)
        optimizer.step()
        if step % run.log_every == 0:
            yield run.log_every, time.perf_counter() - start
            assert loss.isfinite(), "the plain loop diverges: its speed says nothing"
            start = time.perf_counter()


def rate(turns: Iterator[tuple[int, float]], steps: int, batch_size: int) -> float:
    """Images per second over the next `steps` steps at least."""
    done, seconds = 0, 0.0
    while done < steps:
        more, taken = next(turns)
        done, seconds = done + more, seconds + taken
    return done * batch_size / seconds


def race(run: Run, steps: int, rounds: int, data_folder: Path | None) -> dict[str, list[float]]:
    """Images per second of each side, a number a round, the sides in turn."""
    train = load(run.data, root=data_folder).train
    with tempfile.TemporaryDirectory() as folder:
        sides = {"cones": ours(run, Path(folder), data_folder)}
        sides |= {name: plain(run, train, *rival) for name, rival in RIVALS.items()}
        for side in sides.values():
            rate(side, run.log_every, run.batch_size)  # allocations, kernels to choose, workers to start
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(rounds):
            names = list(sides)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                rates[name].append(rate(sides[name], steps, run.batch_size))
        sides["cones"].close()  # before its folder goes
    return rates


def main() -> None:
    """Print images per second of each side, and the median of the paired ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist", help="mnist, mnist5k, or npz:PATH with pictures")
    parser.add_argument("--data-folder", type=Path, help="where data sets are kept")
    parser.add_argument("--steps", type=int, default=20, help="a turn")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--width", type=float, default=0.5, help="of LeNets++; 1 is the paper's")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; 0 leaves its own number")
    parser.add_argument("--loss", default="ArcFace(margin=0.2, scale=16)")
    parser.add_argument("--clip-norm", type=float, default=5.0, help="0 clips nothing, on either side")
    parser.add_argument("--smoke", action="store_true", help="two steps of everything: does it run?")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    base = Run(
        data=given.data, loss=given.loss, width=given.width, batch_size=given.batch_size, clip_norm=given.clip_norm,
        epochs=10_000, schedule="constant", device="cpu",
    )  # fmt: skip
    steps, rounds = given.steps, given.rounds
    if given.smoke:
        base, steps, rounds = replace(base, width=0.125, log_every=1, tensorboard=False), 1, 1
    print(f"{given.data}, LeNets++ of width {base.width:g}, batch {base.batch_size}, {torch.get_num_threads()} threads")
    precisions: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")
    for precision, channels_last in itertools.product(precisions, (False, True)):
        run = replace(base, precision=precision, channels_last=channels_last)
        rates = race(run, steps, rounds, given.data_folder)
        print(f"{precision}, channels last {'on' if channels_last else 'off'}:")
        for name, values in rates.items():
            ratio = statistics.median(a / b for a, b in zip(rates["cones"], values, strict=True))
            note = "" if name == "cones" else f"  ours / theirs {ratio:.3f}"
            print(f"  {name:<18} {statistics.median(values):6.0f} images/s{note}", flush=True)


if __name__ == "__main__":
    main()
