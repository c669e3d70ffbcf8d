"""Matrix products that come back at full precision, by the fastest kernels PyTorch has.

On a CPU, float32 products go through oneDNN where PyTorch was built with it: the vendor library behind `a @ b` picks
narrower vectors on processors of another vendor and then takes twice as long. Both are IEEE float32.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry, register_flop_formula

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_WIDE_RESULT = hasattr(torch.ops.aten.mm, "dtype")


SHORTEST, LONGEST = 32, 256
"""How many terms a part has, at least and at most, of a sum that is cut into two or more."""


def product(a: Tensor, b: Tensor) -> Tensor:
    """a (M, L) @ b (L, P) in their common dtype; not differentiable."""
    if not _by_onednn(a, b):
        return a @ b
    weight = b.T
    if not weight.is_contiguous() and not b.is_contiguous():
        weight = weight.contiguous()  # oneDNN takes part of a matrix a thousand times more slowly
    return torch.ops.mkldnn._linear_pointwise(a, weight, None, "none", [], "")  # type: ignore[no-any-return]


def product_of_many(a: Tensor, b: Tensor) -> Tensor:
    """The same for full precision where L may be large: oneDNN sums one by one and rounds each time, so part by part.

    Over 512 terms that takes a third off the error of the gradients, and a tenth more time.
    """
    part = min(max(math.ceil(len(b) / 2), SHORTEST), LONGEST)
    if len(b) <= part or not _by_onednn(a, b):
        return product(a, b)
    total = product(a[:, :part], b[:part])
    for start in range(part, len(b), part):
        total += product(a[:, start : start + part], b[start : start + part])
    return total


def wide_product(a: Tensor, b: Tensor, low: torch.dtype | None) -> Tensor:
    """a (M, L) @ b (L, P) in their common dtype, where both may be rounded to `low`, but not the result.

    A CPU has no kernel that takes low-precision factors and returns float32, so there the factors stay as they are.
    """
    if low is None:
        return product_of_many(a, b)
    if a.device.type == "cpu":
        return product(a, b)
    if _WIDE_RESULT:
        return torch.mm(a.to(low), b.to(low), out_dtype=a.dtype)
    return a.to(low).to(a.dtype) @ b.to(low).to(b.dtype)


def _by_onednn(a: Tensor, b: Tensor) -> bool:
    return _ONEDNN and a.dtype == torch.float32 and a.device.type == "cpu" and a.numel() > 0 and b.numel() > 0


if _ONEDNN and torch.ops.mkldnn._linear_pointwise not in flop_registry:

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _linear_flops(a: list[int], weight: list[int], *_: Any, out_shape: Any = None, **__: Any) -> int:
        """Multiplications and additions of a (M, L) @ weight.T (L, P), which PyTorch counts for `a @ b` alone."""
        return 2 * a[0] * a[1] * weight[0]
