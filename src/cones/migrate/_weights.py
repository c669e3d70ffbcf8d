"""Steps shared by all libraries: from a state to a weight, and from a weight to a head."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ..head import Head
from ..margins import Margin
from ._read import WeightsError


def find(state: Mapping[str, Tensor], pattern: str, expected: str) -> Tensor:
    """The one matrix whose whole name matches, in float32 at least.

    Args:
        state: tensors by name.
        pattern: of the name, a regular expression.
        expected: what the name should be, for the error.

    Raises:
        WeightsError: none or several match, or the one that does is not a matrix of finite numbers.
    """
    names = [name for name in state if re.fullmatch(pattern, name)]
    if len(names) != 1:
        there = ", ".join([*list(names or state)[:6], *["..."] * (len(names or state) > 6)])
        raise WeightsError(
            f"found {len(names)} tensors named {expected}, expected one; there are {there or 'none at all'}: "
            f"pass {{{expected!r}: your tensor}}"
        )
    weight = state[names[0]].detach()
    if weight.dim() != 2 or 0 in weight.shape or not weight.is_floating_point():
        raise WeightsError(f"{names[0]} is {weight.dtype} of shape {tuple(weight.shape)}, expected a matrix of floats")
    weight = weight.to(torch.promote_types(weight.dtype, torch.float32))
    if not weight.isfinite().all():
        row, column = weight.isfinite().logical_not().nonzero()[0].tolist()
        raise WeightsError(
            f"{names[0]}[{row}, {column}] is {float(weight[row, column])}: these weights contain non-finite values, "
            f"use an earlier file"
        )
    return weight


def head_of(weight: Tensor, margin: Margin, subcenters: int = 1) -> Head:
    """A head with these weights (K * S, D), class-major: rows j S to (j + 1) S - 1 are the centers of class j.

    Raises:
        ValueError: the rows are not a multiple of the centers per class.
    """
    rows, dim = weight.shape
    if subcenters < 1 or rows % subcenters:
        raise ValueError(f"subcenters is {subcenters}, but there are {rows} rows: expected a divisor of that")
    head = Head(dim, rows // subcenters, margin, subcenters=subcenters, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        head.weight.copy_(weight)
    return head
