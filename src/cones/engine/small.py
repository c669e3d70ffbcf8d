"""Very few logits under any margin: all at once by autograd, where a stream of tiles would mostly be fixed costs.

Margins that bend no other class, most of them, have `few_logits` for up to 256 times as many logits: its hand-written
gradients are faster, but know neither bent logits nor sub-centers, and take ordinary vectors and plain PyTorch alone.
This module computes the rest: those margins, zero or huge vectors, torch.compile and torch.func.

N rows, D dims, K classes, S centers each.
"""

import torch
from torch import Tensor

from ..common.transforms import in_transform
from ..common.unit_vectors import direction
from ..margins import Rows, with_others_summaries
from . import few_logits
from .draws import with_noise
from .few_logits import COPIES
from .passes import updated_statistics
from .similarity import own_columns
from .step import RowTerms, Step, row_terms

SMALL = 2**14
"""Logits, of all rows and centers, up to which they are computed at once."""

SMALL_COPIES = 8
"""Arrays of that size that are alive at once."""


def is_small(x: Tensor, step: Step) -> bool:
    """Test whether the (N, K) logits are few enough to beat the fixed cost of a stream of tiles."""
    numbers = len(x) * len(step.classes.weight)
    affordable = SMALL_COPIES * numbers * x.element_size() <= step.options.memory_budget
    return _is_plain(step) and affordable and 0 < numbers <= SMALL


def is_few(num_rows: int, dtype: torch.dtype, step: Step) -> bool:
    """Test whether the (N, K) logits are few enough for `few_logits`, and autograd runs it as it is written."""
    numbers = num_rows * len(step.classes.weight)
    affordable = COPIES * numbers * dtype.itemsize <= step.options.memory_budget
    as_written = not (torch.compiler.is_compiling() or in_transform())
    return _is_plain(step) and affordable and as_written and 0 < numbers <= few_logits.FEW


def _is_plain(step: Step) -> bool:
    """Test whether all classes are here, two at least, and their gradient is that of the value, and returned."""
    classes = step.classes
    return classes.ranks is None and classes.population is None and step.options.update is None and classes.here > 1


def all_at_once(x: Tensor, feature_norm: Tensor, step: Step) -> RowTerms:
    """Compute `target_and_rest` from all logits at once, by autograd alone.

    Args:
        x: (N, D) features in their geometry.
        feature_norm: (N,).
        step: the other inputs.
    """
    classes, margin = step.classes, step.margin
    weight = classes.weight.to(x.dtype)
    unit, norms = direction(weight)
    similarity = x @ (unit if margin.weights == "unit" else weight).T
    own_column = classes.local_labels[:, None]
    if classes.subcenters > 1:
        nearest = similarity.unflatten(1, (-1, classes.subcenters)).max(dim=2)
        similarity, center = nearest.values, nearest.indices.gather(1, own_column) + own_column * classes.subcenters
    else:
        center = own_column
    is_own = own_columns(classes.local_labels, classes.here)

    def with_logits(rows: Rows) -> tuple[Rows, Tensor, Tensor]:
        rows = with_others_summaries(margin, similarity, is_own, rows)
        target = margin.target(rows.similarity, rows)
        logits = margin.others(similarity, target, rows)
        return rows, target, logits if classes.bias is None else logits + classes.bias

    own = similarity.gather(1, own_column).squeeze(1)
    rows = Rows(own, feature_norm, norms[center.squeeze(1)], step.labels, step.statistics)
    rows = with_noise(rows, margin, step.seed)
    if step.update_statistics:
        before = rows
        statistics = updated_statistics(margin, rows, lambda: margin.rest(with_logits(before)[2], is_own))
        rows = rows._replace(statistics=statistics)
    rows, target, logits = with_logits(rows)
    own_bias = None if classes.bias is None else classes.bias[classes.local_labels].to(x.dtype)
    others_sum = logits.masked_fill(is_own, 0).sum(dim=1) if step.others_sum else None
    return row_terms(rows, target, own_bias, margin.rest(logits, is_own), others_sum)
