"""Matrix products in full precision, by the faster of PyTorch's kernels.

On a CPU, float32 products have two: the vendor library behind `a @ b`, and oneDNN. Both are IEEE float32. The
processor's name does not tell the faster one (the vendor library uses narrow vectors on some processors of other
vendors, at half the speed; on others oneDNN is slower), so each process measures them at its first large product.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry, register_flop_formula

Kernel = Literal["blas", "onednn"]
KERNELS: tuple[Kernel, ...] = ("blas", "onednn")

LARGE = 2**24
"""Multiplications from which the kernel is chosen; smaller products use the vendor library, which has less overhead."""

CLEARLY = 0.8
"""oneDNN is chosen below this share of the vendor library's time: noise must not decide between equals."""

SHORTEST, LONGEST = 32, 256
"""Fewest and most terms of a part, where a sum is split into parts."""

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_WIDE_RESULT = hasattr(torch.ops.aten.mm, "dtype")
_chosen: Kernel | None = None


def kernel() -> Kernel:
    """Return the kernel of large float32 products on this processor, measured at the first call of the process."""
    global _chosen
    if _chosen is None:
        _chosen = faster_kernel() if _ONEDNN else "blas"
    return _chosen


def use_kernel(name: Kernel | None) -> None:
    """Set the kernel for the rest of the process, as a resumed run does; None measures again.

    Raises:
        ValueError: the name is neither, or this PyTorch has no oneDNN.
    """
    global _chosen
    if name is not None and name not in KERNELS:
        raise ValueError(f"kernel is {name!r}, expected one of {', '.join(KERNELS)}")
    if name == "onednn" and not _ONEDNN:
        raise ValueError("kernel is 'onednn', but this PyTorch was built without oneDNN: use 'blas'")
    _chosen = name


def faster_kernel(seconds: Callable[[Callable[[], object]], float] | None = None) -> Kernel:
    """Measure both kernels on the three products of a tile, in about 30 ms.

    On one thread and by its processor time, so that other load on the machine has no influence.

    Args:
        seconds: runs a function and returns its time; None measures.
    """
    seconds = seconds_on_one_thread if seconds is None else seconds
    x, weight, logits = (torch.ones(shape) for shape in ((128, 512), (512, 512), (128, 512)))

    def tile(multiply: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], object]:
        return lambda: (multiply(x, weight.T), multiply(logits, weight), multiply(logits.T, x))

    times = {"blas": math.inf, "onednn": math.inf}
    for _ in range(5):  # alternating; the first of each only initialises the library
        for name, multiply in (("blas", torch.mm), ("onednn", _by_onednn)):
            times[name] = min(times[name], seconds(tile(multiply)))
    return "onednn" if times["onednn"] < CLEARLY * times["blas"] else "blas"


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Compute a (M, L) @ b (L, P) in their common dtype; not differentiable.

    `out` (M, P) may be used for the result; use the returned tensor, which need not be `out`.
    """
    if not _takes_onednn(a, b):
        return torch.mm(a, b) if out is None else torch.mm(a, b, out=out)
    return _by_onednn(a, b)


def product_of_many(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Compute a (M, L) @ b (L, P) for large L, part by part, because oneDNN rounds after each term of a sum.

    At 512 terms this cuts the error of the gradients by a third, for a tenth more time.
    """
    part = min(max(math.ceil(len(b) / 2), SHORTEST), LONGEST)
    if len(b) <= part or not _takes_onednn(a, b):
        return product(a, b, out)
    total = _by_onednn(a[:, :part], b[:part])
    for start in range(part, len(b), part):
        total += _by_onednn(a[:, start : start + part], b[start : start + part])
    return total


def add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total (M, P) += a (M, L) @ b (L, P), in place."""
    if a.dtype != total.dtype or _takes_onednn(a, b):
        total += product(a, b)
    else:
        torch.addmm(total, a, b, out=total)


def wide_product(a: Tensor, b: Tensor, compute_dtype: torch.dtype | None, out: Tensor | None = None) -> Tensor:
    """Compute a (M, L) @ b (L, P) in their common dtype; factors may be rounded to `compute_dtype`, the result not.

    A CPU has no kernel from low-precision factors to a float32 result, so there the factors are not rounded.
    """
    if compute_dtype is None:
        return product_of_many(a, b, out)
    if a.device.type == "cpu":
        return product(a, b, out)
    if _WIDE_RESULT:
        return torch.mm(a.to(compute_dtype), b.to(compute_dtype), out_dtype=a.dtype)
    return a.to(compute_dtype).to(a.dtype) @ b.to(compute_dtype).to(b.dtype)


def _takes_onednn(a: Tensor, b: Tensor) -> bool:
    large = a.dtype == torch.float32 and a.device.type == "cpu" and a.numel() * b.shape[1] >= LARGE
    return large and kernel() == "onednn"


def _by_onednn(a: Tensor, b: Tensor) -> Tensor:
    weight = b.T
    if not weight.is_contiguous() and not b.is_contiguous():
        weight = weight.contiguous()  # oneDNN is a thousand times slower on a slice of a matrix
    return torch.ops.mkldnn._linear_pointwise(a, weight, None, "none", [], "")  # type: ignore[no-any-return]


def seconds_on_one_thread(function: Callable[[], object]) -> float:
    """Time of a call on one thread, the processor's and not the clock's: other work on the machine adds nothing."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start = time.thread_time()
        function()
        return time.thread_time() - start
    finally:
        torch.set_num_threads(threads)


if _ONEDNN and torch.ops.mkldnn._linear_pointwise not in flop_registry:

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _linear_flops(a: list[int], weight: list[int], *_: Any, out_shape: Any = None, **__: Any) -> int:
        """Multiplications and additions of a (M, L) @ weight.T (L, P), which PyTorch counts only for `a @ b`."""
        return 2 * a[0] * a[1] * weight[0]
