"""Rows without a class, labelled `ignore_index` as for F.cross_entropy, which do not count.

N rows, n of them with a class.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..common.transforms import in_transform, numbers_of

IGNORE_INDEX = -100
"""F.cross_entropy's label for ignored rows."""


class Counted(NamedTuple):
    """The rows that count.

    Attributes:
        features: (n, D).
        labels: (n,).
        rows: (n,) their numbers among all rows; None where all count.
        mask: (N,) bool, True for rows that count, under torch.compile and torch.func, which have no data-dependent
            shapes: all rows are kept there, ignored ones as zero vectors of class 0. None elsewhere.
    """

    features: Tensor
    labels: Tensor
    rows: Tensor | None = None
    mask: Tensor | None = None

    def of_all(self, losses: Tensor, num_rows: int) -> Tensor:
        """Losses (N,) of all rows, from those of the rows that count: 0 for ignored ones."""
        if self.rows is not None:
            return losses.new_zeros(num_rows).index_copy(0, self.rows, losses)
        return losses if self.mask is None else torch.where(self.mask, losses, 0)

    def weights(self, class_weights: Tensor | None) -> Tensor | None:
        """Factors of the computed losses, from (K,) weights of the classes or None."""
        weights = None if class_weights is None else class_weights[self.labels]
        if self.mask is None:
            return weights
        counts = self.mask.float()
        return counts if weights is None else counts * weights


def counted(features: Tensor, labels: Tensor, ignore_index: int, *, maskable: bool = True) -> Counted:
    """Leave out the rows (N, D) whose label (N,) is `ignore_index`.

    Args:
        features: (N, D).
        labels: (N,); not checked here.
        ignore_index: the label of rows that do not count.
        maskable: whether a compiled graph may replace ignored rows by zero vectors. Otherwise their labels stay, and
            the check of labels rejects them.
    """
    both = isinstance(features, Tensor) and isinstance(labels, Tensor)
    dense = both and features.layout is torch.strided and labels.layout is torch.strided
    if not dense or labels.is_floating_point() or labels.shape != features.shape[:1] or labels.is_meta:
        return Counted(features, labels)
    mask = labels != ignore_index
    transformed = in_transform()
    if transformed and bool((numbers_of(labels) != ignore_index).all()):
        return Counted(features, labels)
    if transformed or torch.compiler.is_compiling():
        if not maskable:
            return Counted(features, labels)
        return Counted(torch.where(mask[:, None], features, 0), torch.where(mask, labels, 0), mask=mask)
    if bool(mask.all()):
        return Counted(features, labels)
    rows = mask.nonzero().squeeze(1)
    return Counted(features[rows], labels[rows], rows)
