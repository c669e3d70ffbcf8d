"""Few logits: made all at once, where the fixed cost of a stream of tiles would be most of the time.

N rows, D dims, K classes, S centers each.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..common.transforms import in_transform
from ..common.unit_vectors import direction
from ..margins import Margin, Rows, surveyed
from . import few_logits
from .few_logits import COPIES
from .similarity import own_columns
from .step import EngineOptions, LocalClasses, RowTerms

SMALL = 2**14
"""Logits, of all rows and centers, up to which they are made at once."""

SMALL_COPIES = 8
"""Arrays of their size that live at once then."""


def is_small(x: Tensor, classes: LocalClasses, how: EngineOptions) -> bool:
    """Whether the (N, K) logits are so few that making them beats the fixed cost of a stream of tiles."""
    numbers = len(x) * len(classes.weight)
    affordable = SMALL_COPIES * numbers * x.element_size() <= how.memory_budget
    alone = classes.ranks is None and how.update is None
    return alone and affordable and 0 < numbers <= SMALL and classes.here > 1


def is_few(num_rows: int, dtype: torch.dtype, classes: LocalClasses, how: EngineOptions) -> bool:
    """Whether the (N, K) logits are few enough for `few_logits`, and autograd runs it as it is written."""
    numbers = num_rows * len(classes.weight)
    affordable = COPIES * numbers * dtype.itemsize <= how.memory_budget
    alone = classes.ranks is None and how.update is None and classes.here > 1
    plain = not (torch.compiler.is_compiling() or in_transform())
    return alone and affordable and plain and 0 < numbers <= few_logits.FEW


def all_at_once(
    x: Tensor,
    feature_norm: Tensor,
    labels: Tensor,
    margin: Margin,
    classes: LocalClasses,
    statistics: Mapping[str, Tensor],
    sums: bool,
) -> RowTerms:
    """What a step finds, from all logits at once and by autograd alone.

    Args:
        x: (N, D) features in their geometry.
        feature_norm: (N,).
        labels: (N,) int64.
        margin: the loss.
        classes: all of them.
        statistics: the margin's running numbers.
        sums: whether the sum of the others' logits is wanted.
    """
    weight = classes.weight.to(x.dtype)
    unit, norms = direction(weight)
    similarity = x @ (unit if margin.weights == "unit" else weight).T
    places = classes.places[:, None]
    if classes.subcenters > 1:
        nearest = similarity.unflatten(1, (-1, classes.subcenters)).max(dim=2)
        similarity, center = nearest.values, nearest.indices.gather(1, places) + places * classes.subcenters
    else:
        center = places
    own = similarity.gather(1, places).squeeze(1)
    rows = Rows(own, feature_norm, norms[center.squeeze(1)], labels, statistics)
    is_own = own_columns(classes.places, classes.here)
    rows = surveyed(margin, similarity, is_own, rows)
    target = margin.target(own, rows)
    logits = margin.others(similarity, target, rows)
    if classes.bias is not None:
        logits = logits + classes.bias
        target = target + classes.bias[classes.places].to(x.dtype)
    if margin.combine == "softmax":
        rest = logits.masked_fill(is_own, -torch.inf).logsumexp(dim=1)
    else:
        rest = margin.class_loss(logits).masked_fill(is_own, 0).sum(dim=1)
    return RowTerms(rows, target, rest, logits.masked_fill(is_own, 0).sum(dim=1) if sums else None)
