"""What a step is given and finds: the classes that are here, and the rows of W that belong to a row of features.

N rows of features, M those of all processes, D dims, K classes, C of them here, S centers each.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..common.dtypes import working_dtype
from ..margins import Margin, Rows
from .collective import Ranks
from .streaming import Update


class LocalClasses(NamedTuple):
    """The classes that are here.

    Attributes:
        weight: (C * S, D) their rows of W, the centers of a class together.
        bias: (C,) all that is added to their logits after the margin, or None.
        subcenters: S.
        places: (M,) int64, where the own class of each row of all processes stands among them, or a number outside.
        ranks: the processes that share the classes, or None.
    """

    weight: Tensor
    bias: Tensor | None
    subcenters: int
    places: Tensor
    ranks: Ranks | None

    @property
    def here(self) -> int:
        """C."""
        return len(self.weight) // self.subcenters

    @property
    def num_classes(self) -> int:
        """K, of all ranks."""
        return self.here if self.ranks is None else self.ranks.num_classes

    def nearby(self) -> tuple[Tensor, Tensor]:
        """(M,) each row's place, one that exists where its own class is not here; and whether it is."""
        return self.places.clamp(0, self.here - 1), (self.places >= 0) & (self.places < self.here)


class EngineOptions(NamedTuple):
    """How a step is computed: nothing of it changes the result but by rounding.

    Attributes:
        memory_budget: bytes.
        low: precision of the gradients' products, or None for that of the inputs.
        update: takes the gradient of weight tile by tile, in the backward, instead of its being returned.
    """

    memory_budget: int
    low: torch.dtype | None
    update: Update | None = None


class RowTerms(NamedTuple):
    """What a step finds for this process's rows; every field (N,).

    Attributes:
        rows: what the margin knew.
        target: logit of the own class, bias included.
        rest: logsumexp of the others' logits, or the sum of their losses.
        others_sum: sum of the others' logits; None if not asked for.
    """

    rows: Rows
    target: Tensor
    rest: Tensor
    others_sum: Tensor | None


def added_to_logits(
    margin: Margin, bias: Tensor | None, num_classes: int, weight: Tensor, ranks: Ranks | None
) -> Tensor | None:
    """All that is added to the logits of the classes here after the margin, (C,) or None: the layer's bias and the
    margin's class bias."""
    class_bias = margin.class_bias(num_classes)
    if class_bias is None:
        return bias
    class_bias = class_bias.to(weight.device, working_dtype(weight))
    if ranks is not None:
        class_bias = class_bias[ranks.first_class :][: ranks.classes[ranks.rank]]
    return class_bias if bias is None else bias + class_bias
