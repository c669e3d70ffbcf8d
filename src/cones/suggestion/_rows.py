"""The papers' bounds side by side."""

from dataclasses import dataclass

from .. import bounds


@dataclass(frozen=True)
class Bound:
    """One bound of one paper, evaluated.

    Attributes:
        name: whose it is and what it bounds.
        value: a scale, margin or loss; angles are radians.
        paper: authors, year, arXiv number.
        equation: its number there.
        assumes: under what it holds.
    """

    name: str
    value: float
    paper: str
    equation: str
    assumes: str


def rows_of(num_classes: int, dim: int, probability: float, scale: float) -> tuple[Bound, ...]:
    """Every bound for K classes in D dims; L2-softmax has none for two classes."""
    rows = [
        Bound(
            name="CosFace: scale at least",
            value=bounds.cosface_scale(num_classes, probability),
            paper="Wang et al. 2018, arXiv 1801.09414",
            equation="eq. 6",
            assumes="all others at cosine -1 / (K - 1)",
        ),
        Bound(
            name="NormFace: loss at least",
            value=bounds.normface_loss(num_classes, scale),
            paper="Wang et al. 2017, arXiv 1704.06369",
            equation="Prop. 2",
            assumes=f"all others at cosine -1 / (K - 1); scale {scale:g}",
        ),
        Bound(
            name="COCO: scale at least",
            value=bounds.coco_scale(num_classes),
            paper="Liu et al. 2017, arXiv 1710.00870",
            equation="optimal scale",
            assumes="all others at cosine -1; loss 1e-4, not P",
        ),
        Bound(
            name="AdaCos: scale to start from",
            value=bounds.adacos_scale(num_classes),
            paper="Zhang et al. 2019, arXiv 1905.00292",
            equation="eq. 12",
            assumes="all others at cosine 0; one half at 45 degrees, not P",
        ),
        Bound(
            name="CosFace: margin at most",
            value=bounds.cosface_margin(num_classes, dim),
            paper="Wang et al. 2018, arXiv 1801.09414",
            equation="eq. 7",
            assumes="features on their class directions",
        ),
        Bound(
            name="ArcFace: margin at most (radians)",
            value=bounds.arcface_margin(num_classes, dim),
            paper="Wang et al. 2018, arXiv 1801.09414",
            equation="eq. 7",
            assumes="features on their class directions",
        ),
        Bound(
            name="A-Softmax: multiple at least",
            value=bounds.asoftmax_margin(num_classes),
            paper="Liu et al. 2017, arXiv 1704.08063",
            equation="bound on m",
            assumes="features fill the whole region that the margin allows",
        ),
    ]
    if num_classes > 2:
        first = Bound(
            name="L2-softmax: scale at least",
            value=bounds.l2_softmax_scale(num_classes, probability),
            paper="Ranjan et al. 2017, arXiv 1703.09507",
            equation="bound on alpha",
            assumes="one other at cosine -1, the rest at 0",
        )
        rows.insert(0, first)
    return tuple(rows)
