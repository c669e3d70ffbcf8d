"""What a step is given and finds: the classes that are here, and the rows of W that belong to a row of features.

N rows of features, M those of all processes, D dims, K classes, C of them here, S centers each.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.unit_vectors import widened
from ..margins import Rows
from .collective import Ranks, home, scale_gradient
from .streaming import Update


class Classes(NamedTuple):
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


class How(NamedTuple):
    """How a step is computed: nothing of it changes the result but by rounding.

    Attributes:
        memory_budget: bytes.
        low: precision of the gradients' products, or None for that of the inputs.
        update: takes the gradient of weight tile by tile, in the backward, instead of its being returned.
    """

    memory_budget: int
    low: torch.dtype | None
    update: Update | None = None


class Found(NamedTuple):
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


def own_columns(labels: Tensor, num_classes: int) -> Tensor:
    """True in each row's own column, (N, K) from labels (N,); F.one_hot looks at values, which vmap refuses."""
    return labels[:, None] == torch.arange(num_classes, device=labels.device)


def fetch_own(x: Tensor, classes: Classes) -> Tensor:
    """Each row's own rows of W, (N, S * D) in x's dtype."""
    places, _ = classes.nearby()
    subcenters = classes.subcenters
    index = places[:, None] * subcenters + torch.arange(subcenters, device=places.device)
    # sparse, so that these few rows do not bring an array of the size of W
    own = widened(F.embedding(index, classes.weight, sparse=True), x.dtype).flatten(1)
    return bring_home(own, classes)


def bring_home(own: Tensor, classes: Classes) -> Tensor:
    """What belongs to this rank's rows (N, ...), from what each rank has for all rows (M, ...), 0 but for one rank."""
    ranks = classes.ranks
    if ranks is None:
        return own
    here = classes.nearby()[1].view(-1, *[1] * (own.dim() - 1))
    return home(scale_gradient(torch.where(here, own, 0), 1 / ranks.world), ranks).sum(dim=0)
