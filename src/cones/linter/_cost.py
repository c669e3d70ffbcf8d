"""Cost of a margin's `others` on a tile of ordinary size."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..engine.planner import plan
from ..engine.similarity import bends
from ..engine.tiles import BENT_COLUMNS
from ._report import Cost
from ._subject import Subject, batch

NUM_ROWS = 128
DIM = 512
MANY_CLASSES = 100_000
REPEATS = 3


def cost_of(subject: Subject) -> Cost:
    """Measure forward and backward of `others` against the product of the tile."""
    columns = plan(NUM_ROWS, DIM, MANY_CLASSES, columns=BENT_COLUMNS).tile
    if not bends(subject.margin):
        return Cost(True, 0.0, 0.0, NUM_ROWS, columns, DIM)
    margin, (rows, similarity) = subject.margin, batch(subject, NUM_ROWS, columns, torch.float32)
    with torch.no_grad():
        target = margin.target(rows.similarity.clone(), rows)
    features, weight = torch.randn(NUM_ROWS, DIM), torch.randn(columns, DIM)

    def terms(leaf: Tensor) -> Tensor:
        logits = margin.others(leaf, target, rows)
        return margin.class_loss(logits) if margin.combine == "one-vs-all" else logits

    def forward_and_backward() -> None:
        leaf = similarity.clone().requires_grad_()
        values = terms(leaf)
        if values.requires_grad:
            torch.autograd.grad(values, leaf, torch.ones_like(values), allow_unused=True)

    product = _median_time(lambda: features @ weight.T)
    own = _median_time(forward_and_backward)
    kept = _kept_bytes(terms, similarity)
    scaled = margin.scale_with(rows.statistics) * similarity
    with torch.no_grad():
        plain = margin.combine == "softmax" and torch.equal(margin.others(similarity.clone(), target, rows), scaled)
    return Cost(False, own / product, kept / similarity.nbytes, NUM_ROWS, columns, DIM, plain)


def _median_time(function: Callable[[], object]) -> float:
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _kept_bytes(terms: Callable[[Tensor], Tensor], similarity: Tensor) -> int:
    """Bytes that autograd keeps for the backward, the tile itself not counted."""
    leaf = similarity.clone().requires_grad_()
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = terms(leaf)
    kept.pop(leaf.untyped_storage().data_ptr(), None)
    del result
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
