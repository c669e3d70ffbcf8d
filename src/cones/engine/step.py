"""Inputs and results of one step.

N rows of features, M those of all ranks, D dims, K classes, C of them here, S centers each.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.dtypes import working_dtype
from ..margins import Margin, Rows
from .ranks import Ranks
from .similarity import bends
from .streaming import WeightUpdate


class Population(NamedTuple):
    """All classes that this rank holds, where a step takes a sample of them but normalises over all.

    Attributes:
        weight, bias, local_labels: as those of `LocalClasses`, of all of them.
        log_weight: (C,) of the C sampled classes, log 1 / chance of being drawn; 0 for the batch's own classes.
        largest: the largest of these.
    """

    weight: Tensor
    bias: Tensor | None
    local_labels: Tensor
    log_weight: Tensor
    largest: float


class LocalClasses(NamedTuple):
    """The classes that this rank holds, or those of them that a step takes.

    Attributes:
        weight: (C * S, D) their rows of W, class-major: the centers of one class are adjacent.
        bias: (C,) added to their logits after the margin, or None.
        subcenters: S.
        local_labels: (M,) int64, the number of each row's own class among the C here; outside of 0..C-1 where it is on
            another rank.
        ranks: rows and classes per rank, or None for one process alone.
        population: all that this rank holds, where the gradients of those above stand for theirs; else None.
    """

    weight: Tensor
    bias: Tensor | None
    subcenters: int
    local_labels: Tensor
    ranks: Ranks | None
    population: Population | None = None

    @property
    def here(self) -> int:
        """C."""
        return len(self.weight) // self.subcenters

    @property
    def num_classes(self) -> int:
        """K, of all ranks."""
        return self.here if self.ranks is None else self.ranks.num_classes

    def whole(self) -> "LocalClasses":
        """All that this rank holds, sampled or not."""
        if self.population is None:
            return self
        weight, bias, local_labels, *_ = self.population
        return self._replace(weight=weight, bias=bias, local_labels=local_labels, population=None)

    def without_bias(self) -> "LocalClasses":
        """The same without a bias."""
        population = None if self.population is None else self.population._replace(bias=None)
        return self._replace(bias=None, population=population)

    def own_is_here(self) -> Tensor:
        """(M,) bool, True where a row's own class is held here."""
        return (self.local_labels >= 0) & (self.local_labels < self.here)


class EngineOptions(NamedTuple):
    """Execution options; results agree up to rounding.

    Attributes:
        memory_budget: bytes.
        compute_dtype: precision of the gradients' products, or None for that of the inputs.
        update: takes the gradient of weight tile by tile, in the backward, instead of it being returned.
    """

    memory_budget: int
    compute_dtype: torch.dtype | None
    update: WeightUpdate | None = None


class Step(NamedTuple):
    """Inputs of a step beside its features.

    Attributes:
        labels: (N,) int64, numbers among all K classes.
        margin: the loss.
        classes: those that are here.
        statistics: the margin's running numbers, by name, 0-dim.
        options: execution options.
        others_sum: whether the sum of the others' logits is wanted.
        update_statistics: whether the running numbers take the step in before its losses are taken.
        seed: 0-dim int64, of the step's random draws; None where nothing is drawn.
    """

    labels: Tensor
    margin: Margin
    classes: LocalClasses
    statistics: Mapping[str, Tensor]
    options: EngineOptions
    others_sum: bool = False
    update_statistics: bool = False
    seed: Tensor | None = None

    @property
    def bends(self) -> bool:
        """True if the other classes need more than summed exponentials of their scaled similarities."""
        return bends(self.margin, self.classes.subcenters)


class RowTerms(NamedTuple):
    """Results for the rows of this rank; every tensor (N,).

    Attributes:
        rows: inputs of the margin, with the running numbers of the step.
        target: logit of the own class, bias included.
        rest: logsumexp of the others' logits, or the sum of their losses.
        others_sum: sum of the others' logits; None unless asked for.
    """

    rows: Rows
    target: Tensor
    rest: Tensor
    others_sum: Tensor | None


def row_terms(rows: Rows, target: Tensor, own_bias: Tensor | None, rest: Tensor, others_sum: Tensor | None) -> RowTerms:
    """Results of a step from the target without bias; each row's own bias (N,) is None without one."""
    return RowTerms(rows, target if own_bias is None else target + own_bias, rest, others_sum)


def added_to_logits(
    margin: Margin, bias: Tensor | None, num_classes: int, weight: Tensor, ranks: Ranks | None
) -> Tensor | None:
    """The sum of the layer's bias and the margin's class bias, of the classes here: (C,), or None for neither."""
    class_bias = margin.class_bias(num_classes)
    if class_bias is None:
        return bias
    class_bias = class_bias.to(weight.device, working_dtype(weight))
    if ranks is not None:
        class_bias = class_bias[ranks.first_class :][: ranks.classes[ranks.rank]]
    return class_bias if bias is None else bias + class_bias
