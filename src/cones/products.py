"""Matrix products that come back at full precision, by the fastest kernels PyTorch has.

On a CPU, float32 products go through oneDNN where PyTorch was built with it: the vendor library behind `a @ b` picks
narrower vectors on processors of another vendor and then takes twice as long. Both are IEEE float32.
"""

import torch
from torch import Tensor

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_WIDE_RESULT = hasattr(torch.ops.aten.mm, "dtype")


PART = 256
"""Terms that a product of many is summed by."""


def product(a: Tensor, b: Tensor) -> Tensor:
    """a (M, L) @ b (L, P) in their common dtype; not differentiable."""
    if _by_onednn(a, b):
        return torch.ops.mkldnn._linear_pointwise(a, b.T, None, "none", [], "")  # type: ignore[no-any-return]
    return a @ b


def product_of_many(a: Tensor, b: Tensor) -> Tensor:
    """The same where L is large and its terms are alike: oneDNN sums them one by one and rounds at each."""
    if not _by_onednn(a, b):
        return a @ b
    total = product(a[:, :PART], b[:PART])
    for start in range(PART, len(b), PART):
        total += product(a[:, start : start + PART], b[start : start + PART])
    return total


def wide_product(a: Tensor, b: Tensor, low: torch.dtype | None) -> Tensor:
    """a (M, L) @ b (L, P) in their common dtype, where both may be rounded to `low`, but not the result.

    A CPU has no kernel that takes low-precision factors and returns float32, so there the factors stay as they are.
    """
    if low is None or a.device.type == "cpu":
        return product(a, b)
    if _WIDE_RESULT:
        return torch.mm(a.to(low), b.to(low), out_dtype=a.dtype)
    return a.to(low).to(a.dtype) @ b.to(low).to(b.dtype)


def _by_onednn(a: Tensor, b: Tensor) -> bool:
    return _ONEDNN and a.dtype == torch.float32 and a.device.type == "cpu" and a.numel() > 0 and b.numel() > 0
