"""Verification of all pairs beside the bare product of the same tiles, in one process.

python -m benchmarks.open_set.all_pairs --rows 100_000 --dim 512

N rows, D dims. Prints seconds of both, their ratio, the growth of memory, and the figures.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.class_layer.memory import growth_of
from benchmarks.machine import machine
from cones.common.unit_vectors import direction
from cones.evaluation import verification, verification_of_all_pairs


def subjects(rows: int, dim: int, a_subject: int) -> tuple[Tensor, Tensor]:
    """Embeddings (N, D) around random directions, and labels (N,); `a_subject` rows of each on average."""
    torch.manual_seed(0)
    labels = torch.randint(max(rows // a_subject, 2), (rows,))
    centers = direction(torch.randn(int(labels.max()) + 1, dim))[0]
    return centers[labels] + 1.5 / dim**0.5 * torch.randn(rows, dim), labels


def bare_product(unit: Tensor, tile: int) -> None:
    """The tiles of the upper triangle of X X^T into one array that is there already."""
    out = unit.new_empty(tile, tile)
    for i in range(0, len(unit), tile):
        for j in range(i, len(unit), tile):
            a, b = unit[i : i + tile], unit[j : j + tile]
            torch.mm(a, b.T, out=out[: len(a), : len(b)])


def timed(step: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def brute_force(embeddings: Tensor, labels: Tensor, far: list[float], tile: int) -> str:
    """Compare the figures on a few rows with a brute force over every pair."""
    unit = direction(embeddings.double())[0]
    i, j = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
    expected = verification((unit @ unit.T)[i, j], labels[i] == labels[j], far)
    found = verification_of_all_pairs(embeddings, labels, far, tile=tile)
    pairs = [(found.eer, expected.eer), (found.auc, expected.auc), (found.min_dcf, expected.min_dcf)]
    pairs += [(one.tar, other.tar) for one, other in zip(found.tar, expected.tar, strict=True)]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    largest = max(abs(one - other) for one, other in known)
    assert (found.genuine, found.impostors, found.refused) == (expected.genuine, expected.impostors, expected.refused)
    return f"{len(known)} figures of {len(unit):,} rows differ from a brute force by at most {largest:.1e}"


def main() -> None:
    """Time the two in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="N")
    parser.add_argument("--dim", type=int, default=512, help="D")
    parser.add_argument("--a-subject", type=int, default=10, help="rows of one subject, on average")
    parser.add_argument("--far", type=float, nargs="+", default=[1e-2, 1e-3, 1e-4, 1e-6], help="rates asked for")
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    embeddings, labels = (values.to(device) for values in subjects(arguments.rows, arguments.dim, arguments.a_subject))
    unit = direction(embeddings.double())[0]

    found = []

    def ours() -> None:
        found.append(verification_of_all_pairs(embeddings, labels, arguments.far, tile=arguments.tile))

    verification_of_all_pairs(embeddings[:2000], labels[:2000], tile=arguments.tile)  # the libraries set themselves up
    growth = growth_of(ours, device)
    rounds = [
        (timed(lambda: bare_product(unit, arguments.tile), device), timed(ours, device))
        for _ in range(arguments.rounds)
    ]
    ratios = [whole / bare for bare, whole in rounds]
    bare, whole = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    print(", ".join(f"{name} {value}" for name, value in machine().items() if value is not None))
    print(f"{arguments.rows:,} x {arguments.dim}, {arguments.rows * (arguments.rows - 1) // 2:,} pairs, float64")
    print(f"bare product {bare:.2f} s, verification of all pairs {whole:.2f} s")
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f}) in {arguments.rounds} rounds")
    held = embeddings.numel() * embeddings.element_size() / 2**20
    print("memory at the peak:", "unknown" if growth is None else f"{growth / 2**20:.0f} MiB", f"above {held:.0f} MiB")
    print(brute_force(embeddings[:5000], labels[:5000], arguments.far, arguments.tile))
    print(found[-1])


if __name__ == "__main__":
    main()
