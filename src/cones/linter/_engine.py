"""Engine: it gives the margin's losses and gradients, tile by tile and in every precision."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from ..engine.dense import dense_margin_softmax
from ..engine.softmax import margin_softmax
from ..probing.at_angles import seeded
from ._report import Finding, short
from ._subject import Subject, gradients

NUM_ROWS = 17
CLOSE = 1e-10


def engine_equals_dense(subject: Subject) -> Finding:
    """The streamed losses and gradients are those of the whole matrix of logits."""
    generator = torch.Generator().manual_seed(0)
    x = 4 * torch.randn(NUM_ROWS, subject.dim, generator=generator, dtype=torch.float64)
    weight = torch.randn(subject.num_classes, subject.dim, generator=generator, dtype=torch.float64)
    for statistics in (subject.statistics, subject.later):
        exact = _with_gradients(subject, x, weight, statistics, None)
        for budget in (1, _two_classes(subject), 2**24):
            streamed = _with_gradients(subject, x, weight, statistics, budget)
            for name, one, other in zip(("loss", "d features", "d weight"), streamed, exact, strict=True):
                gap = float((one - other).abs().max() / other.abs().max().clamp(min=1.0))
                if not gap <= CLOSE:
                    words = f"{name} of margin_softmax differs from dense_margin_softmax by {gap:.3g}"
                    return Finding("fails", f"{words} with a memory budget of {budget} bytes")
    return Finding("holds", f"margin_softmax agrees with dense_margin_softmax to {CLOSE:g} for all tile sizes")


def edges(subject: Subject) -> Finding:
    """Losses and gradients are numbers at zero vectors and at the poles, in four precisions."""
    x, weight, labels = _edge_problem(subject)
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        features = x.to(dtype).requires_grad_()
        classes = weight.to(torch.promote_types(dtype, torch.float32)).requires_grad_()
        losses = seeded(
            partial(margin_softmax, features, classes, labels, subject.margin, statistics=subject.statistics)
        )
        d_features, d_weight = gradients(losses.sum(), [features, classes])
        for name, value in (("loss", losses.detach()), ("d features", d_features), ("d weight", d_weight)):
            bad = (~value.isfinite()).nonzero()
            if len(bad):
                row = int(bad[0, 0])
                which = f"class {row}" if name == "d weight" else EDGES[row]
                words = f"{name} has {float(value[tuple(bad[0])])} for {which}"
                return Finding("fails", f"{words}, features in {short(dtype)}")
    return Finding("holds", "losses and gradients are finite at zero vectors and poles in every precision")


EDGES = (
    "a feature along its class",
    "a feature against its class",
    "a feature across its class",
    "a zero feature",
    "a class whose weight is zero",
    "an ordinary row",
    *("a feature along its class, by rounding",) * 8,
)


def _edge_problem(subject: Subject) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, D), weight (K, D) and labels (N,): class 0 along the first axis, the last class of weight zero."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(subject.num_classes, subject.dim, generator=generator, dtype=torch.float64)
    weight[0], weight[-1] = 0.0, 0.0
    weight[0, 0] = 2.0
    x = torch.zeros(6, subject.dim, dtype=torch.float64)
    x[0, 0], x[1, 0], x[2, 1], x[4, 1], x[5] = 4.0, -4.0, 0.5, 2.0, 1.0
    labels = torch.tensor([0, 0, 0, 0, subject.num_classes - 1, 0])
    own = torch.arange(8) % (subject.num_classes - 1)
    return torch.cat([x, 3 * weight[own]]), weight, torch.cat([labels, own])


def _two_classes(subject: Subject) -> int:
    """A budget for tiles of two bent classes: ten numbers a row and five rows of D for a class, half for the tile."""
    return 2 * 2 * 8 * (10 * NUM_ROWS + 5 * subject.dim)


def _with_gradients(
    subject: Subject, x: Tensor, weight: Tensor, statistics: Mapping[str, Tensor], budget: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses and the gradients of a weighted sum of them, dense for no budget."""
    x, weight = (tensor.clone().requires_grad_() for tensor in (x, weight))
    labels = torch.arange(len(x)) % subject.num_classes

    def losses() -> Tensor:
        if budget is None:
            return dense_margin_softmax(x, weight, labels, subject.margin, statistics=statistics)
        return margin_softmax(x, weight, labels, subject.margin, memory_budget=budget, statistics=statistics)

    values = seeded(losses)
    upstream = torch.linspace(0.5, 2.0, len(values), dtype=values.dtype)
    d_x, d_weight = gradients((values * upstream).sum(), [x, weight])
    return values.detach(), d_x, d_weight
