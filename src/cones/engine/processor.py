"""Measured speed of bfloat16 against float32 on this processor.

A processor without bfloat16 instructions emulates them, ten times more slowly and worse.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F

from .matmul import product, seconds_on_one_thread

MEASURABLE = 1.0
"""Milliseconds above which a time exceeds the noise of clock and scheduler."""

CLEARLY = 1.1
"""Speed-up over float32 from which bfloat16 is worth its rounding."""

HOPELESS = 3.0
"""Slow-down against float32 at which larger work need not be tried."""

WIDEST_PRODUCT, WIDEST_CONVOLUTION = 512, 128
"""Largest dimensions and channels tried: larger ones take more time and do not change the verdict."""


@dataclass(frozen=True)
class Speeds:
    """Time of the same work in float32 and in bfloat16.

    Args:
        work: description of the work.
        float32: milliseconds.
        bfloat16: milliseconds.

    Example:
        >>> print(Speeds("a product", float32=0.25, bfloat16=30.0))
        a product: float32 0.25 ms, bfloat16 30 ms
    """

    work: str
    float32: float
    bfloat16: float

    def __str__(self) -> str:
        return f"{self.work}: float32 {self.float32:.3g} ms, bfloat16 {self.bfloat16:.3g} ms"

    @property
    def slower(self) -> bool:
        """True if bfloat16 is clearly slower."""
        return self.bfloat16 > max(MEASURABLE, CLEARLY * self.float32)

    @property
    def faster(self) -> bool:
        """True if bfloat16 is clearly faster."""
        return self.float32 > max(MEASURABLE, CLEARLY * self.bfloat16)


def faster_dtype(speeds: Speeds) -> torch.dtype:
    """bfloat16 where it is clearly faster, float32 elsewhere.

    Example:
        >>> faster_dtype(Speeds("a product", float32=0.25, bfloat16=30.0))
        torch.float32
    """
    return torch.bfloat16 if speeds.faster else torch.float32


def compare_speeds(work: str, milliseconds: Callable[[torch.dtype, int], float], sizes: Sequence[int]) -> Speeds:
    """Time work of growing size in both precisions, until one of them is known to be faster.

    Stops at the first size at which both take `MEASURABLE` milliseconds, or bfloat16 `HOPELESS` times as long as
    float32, so that a processor without bfloat16 is detected while the work is small.

    Args:
        work: description of the work.
        milliseconds: of work of a size, in float32 or in bfloat16.
        sizes: rising, at least one.

    Returns:
        the times at the last size tried.

    Example:
        >>> compare_speeds("a product", lambda dtype, size: size / dtype.itemsize, sizes=(1, 2, 4, 8))
        Speeds(work='a product', float32=1.0, bfloat16=2.0)
    """
    for size in sizes:
        speeds = Speeds(work, milliseconds(torch.float32, size), milliseconds(torch.bfloat16, size))
        hopeless = speeds.bfloat16 >= max(MEASURABLE, HOPELESS * speeds.float32)
        if hopeless or min(speeds.float32, speeds.bfloat16) >= MEASURABLE:
            break
    return speeds


@cache
def product_speeds(inner: int, columns: int) -> Speeds:
    """Times of x (rows, inner) @ w (columns, inner).T and of the two products of its gradients, on the CPU."""
    inner, columns = min(inner, WIDEST_PRODUCT), min(columns, WIDEST_PRODUCT)

    def milliseconds(dtype: torch.dtype, rows: int) -> float:
        x, w, d_y = (
            torch.full(shape, 0.01, dtype=dtype) for shape in ((rows, inner), (columns, inner), (rows, columns))
        )
        return shortest(lambda: (product(x, w.T), product(d_y, w), product(d_y.T, x)))

    return compare_speeds(f"products of {inner} by {columns}", milliseconds, [4**power for power in range(1, 9)])


@cache
def convolution_speeds(before: int, after: int, kernel: tuple[int, ...], *, channels_last: bool) -> Speeds:
    """Times of a convolution of images, from `before` to `after` channels, forward and backward, on the CPU."""
    before, after = min(before, WIDEST_CONVOLUTION), min(after, WIDEST_CONVOLUTION)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def milliseconds(dtype: torch.dtype, side: int) -> float:
        x = torch.full((1, before, side, side), 0.01).to(memory_format=layout).requires_grad_()
        weight = torch.full((after, before, *kernel), 0.01).to(memory_format=layout).requires_grad_()

        def forward_and_backward() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                y = F.conv2d(x, weight, padding=[length // 2 for length in kernel])
            y.sum().backward()

        with torch.enable_grad():
            return shortest(forward_and_backward)

    work = f"{'x'.join(map(str, kernel))} convolutions from {before} to {after} channels"
    return compare_speeds(work, milliseconds, [2**power for power in range(3, 8)])


def shortest(work: Callable[[], object], *, repeats: int = 3) -> float:
    """Milliseconds of the shortest of some repetitions, after one that is not counted: it chooses the kernels.

    On one thread and by its processor time: beside other work the clock tells of whoever was interrupted less.
    """
    return 1e3 * min([seconds_on_one_thread(work) for _ in range(repeats + 1)][1:])


def warn_if_slow(inner: int, columns: int, *, instead: str) -> None:
    """Warn once per process if bfloat16 products of features (N, inner) and weight (columns, inner) are slower.

    Args:
        inner: D.
        columns: C, the classes.
        instead: what to write for float32.
    """
    if not torch.compiler.is_compiling():  # a graph holds no clock
        warn_of(product_speeds(inner, columns), instead=instead)


@cache
def warn_of(speeds: Speeds, *, instead: str) -> None:
    """Warn once per process if bfloat16 was measured to be clearly slower."""
    if speeds.slower:
        warnings.warn(
            f"bfloat16 is slower than float32 on this processor ({speeds}): {instead} is faster", stacklevel=3
        )
