"""Bytes that each rank sends in a step whose classes are sharded: the exchanges of `sharding`, `ranks` and `head`.

P ranks; rank r has n_r rows of features; M rows in all, D dims, S centers per class. W and its gradient stay on their
rank, with ClassSGD and with any other optimiser: what travels is features, one number or a few per row, and both ways
back in the backward.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..margins import Margin, Rows
from .ranks import LABELS_WITH_SIZES
from .similarity import bends, start_of_statistics

Kind = Literal["all-to-all", "all-gather", "all-reduce"]

HEADER = 7
"""Numbers before the labels: rows, classes, lowest and highest label, validity, code of the settings, seed."""

LABEL_BYTES = 8


class Exchange(NamedTuple):
    """A collective of a step, as one rank sees it.

    Attributes:
        name: what travels.
        kind: the collective.
        bytes: of the tensor that the rank passes to the call.
    """

    name: str
    kind: Kind
    bytes: int

    def sent(self, ranks: int) -> float:
        """Bytes that leave a rank, of P with equal shares.

        (P - 1) / P of the tensor in an all-to-all, P - 1 copies of it in an all-gather, 2 (P - 1) / P of it in an
        all-reduce over a ring.
        """
        shares = {"all-to-all": 1 / ranks, "all-gather": 1.0, "all-reduce": 2 / ranks}
        return self.bytes * (ranks - 1) * shares[self.kind]


def step_traffic(
    margin: Margin,
    rows: Sequence[int],
    dim: int,
    *,
    rank: int = 0,
    own_here: int | None = None,
    subcenters: int = 1,
    bias: bool = False,
    label_smoothing: bool = False,
    learn_scale: bool = False,
    itemsize: int = 4,
    sum_itemsize: int = 8,
) -> list[Exchange]:
    """List the collectives of a training step of a head, forward and backward, in their order.

    Args:
        margin: the loss; one that modifies the non-target logits has the weights of all own classes travel.
        rows: n_r of each rank.
        dim: D.
        rank: this one.
        own_here: rows, of all ranks, whose class is on this rank; None for an even share, M / P.
        subcenters: S.
        bias: whether the layer has a bias.
        label_smoothing: whether labels are smoothed.
        learn_scale: whether the scale is learnt.
        itemsize: bytes of a feature in the working precision.
        sum_itemsize: bytes of a sum over the classes: float64 on all devices but MPS.

    Returns:
        the exchanges; none for one rank.

    Example:
        >>> from cones import ArcFace
        >>> [(each.kind, each.bytes) for each in step_traffic(ArcFace(), [256, 256], 128)][:2]
        [('all-gather', 8248), ('all-to-all', 264192)]
    """
    world, total = len(rows), sum(rows)
    if world == 1:
        return []
    own_here = -(-total // world) if own_here is None else own_here
    bent, updates, summaries = (
        bends(margin, subcenters),
        bool(margin.init_statistics(2)),
        len(margin.others_summaries()),
    )
    exchanges = [Exchange("sizes and labels", "all-gather", LABEL_BYTES * (HEADER + LABELS_WITH_SIZES))]
    if max(rows) > LABELS_WITH_SIZES:
        exchanges.append(Exchange("labels", "all-gather", LABEL_BYTES * max(rows)))
    features, own = total * (dim + 1) * itemsize, total * subcenters * dim * itemsize
    own_sent = own_here * subcenters * dim * itemsize if bent or updates else 0
    there = world * (rows[rank] * (dim + 1) * itemsize + own_sent)
    name = "features" if not own_sent else "features and weights of own classes"
    exchanges.append(Exchange(name, "all-to-all", there))
    summed = [Exchange("sums over the other classes", "all-reduce", summaries * total * itemsize)] * bool(summaries)
    if updates and _asks_for_rest(margin):
        exchanges += [*summed, Exchange("logsumexp for the running numbers", "all-gather", total * sum_itemsize)]
    exchanges += summed
    class_bias = bias or type(margin).class_bias is not Margin.class_bias
    columns = 1 + (0 if bent else 2) + class_bias + label_smoothing
    exchanges.append(Exchange("results of the rows", "all-to-all", total * columns * sum_itemsize))
    back = world * rows[rank] * columns * sum_itemsize
    exchanges.append(Exchange("gradients of the results", "all-to-all", back))
    exchanges += [each._replace(name=f"gradients of {each.name}") for each in summed if _passes_gradients(margin)]
    travelled = name if bent else "features"
    exchanges.append(Exchange(f"gradients of {travelled}", "all-to-all", features + (own if bent else 0)))
    shared = [("scale", learn_scale), ("shared bias", bias and margin.combine != "softmax")]
    return exchanges + [Exchange(f"gradient of the {name}", "all-reduce", itemsize) for name, there in shared if there]


def _asks_for_rest(margin: Margin) -> bool:
    """Test whether the margin's running numbers need the logsumexp over the other classes."""
    asked = []

    def rest() -> Tensor:
        asked.append(True)
        return torch.zeros(2)

    two = torch.ones(2)
    statistics = start_of_statistics(margin, 2, two.device)
    margin.update_statistics(statistics, Rows(two / 2, two, two, torch.arange(2), statistics), rest)
    return bool(asked)


def _passes_gradients(margin: Margin) -> bool:
    """Test whether the target's dependence on the sums over the other classes is differentiated."""
    return not getattr(margin, "detach", False)
