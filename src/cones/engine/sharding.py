"""Rows and classes over ranks: each row's values at the rank that owns it, sums and rests joined. N rows, D dims."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..common.unit_vectors import widened
from ..margins import Margin, Rows
from .collective import Ranks, gather, home, scale_gradient, total
from .step import LocalClasses


def fetch_own(x: Tensor, classes: LocalClasses) -> Tensor:
    """Each row's own rows of W, (N, S * D) in x's dtype."""
    places, _ = classes.nearby()
    subcenters = classes.subcenters
    index = places[:, None] * subcenters + torch.arange(subcenters, device=places.device)
    # sparse, so that these few rows do not bring an array of the size of W
    own = widened(F.embedding(index, classes.weight, sparse=True), x.dtype).flatten(1)
    return bring_home(own, classes)


def bring_home(own: Tensor, classes: LocalClasses) -> Tensor:
    """What belongs to this rank's rows (N, ...), from what each rank has for all rows (M, ...), 0 but for one rank."""
    ranks = classes.ranks
    if ranks is None:
        return own
    here = classes.nearby()[1].view(-1, *[1] * (own.dim() - 1))
    return home(scale_gradient(torch.where(here, own, 0), 1 / ranks.world), ranks).sum(dim=0)


def sum_of_bias(classes: LocalClasses, dtype: torch.dtype) -> Tensor:
    """The sum of the bias over the classes of all ranks, 0-dim."""
    assert classes.bias is not None
    whole = classes.bias.to(dtype).sum()
    ranks = classes.ranks
    return whole if ranks is None else total(scale_gradient(whole, 1 / ranks.world), ranks)


def rows_of_all(rows: Rows, ranks: Ranks) -> Rows:
    """What the margin may know of the rows of all ranks."""
    similarity, feature_norm, weight_norm = (
        scale_gradient(gather(part, ranks), ranks.world)
        for part in (rows.similarity, rows.feature_norm, rows.weight_norm)
    )
    return Rows(similarity, feature_norm, weight_norm, gather(rows.label, ranks), rows.statistics)


def join_ranks(rest: Tensor, margin: Margin, ranks: Ranks) -> Tensor:
    """rest (N,) of this rank's rows over all classes, from that (M,) of all rows over the classes here."""
    parts = home(scale_gradient(rest, 1 / ranks.world), ranks)
    if ranks.world == 1:
        return parts[0]
    return parts.logsumexp(dim=0) if margin.combine == "softmax" else parts.sum(dim=0)
