"""Time and memory of one step of a head, and the bias of its gradient, by rate and normaliser."""

import statistics
import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.class_layer.memory import growth_of
from cones import ArcFace, ClassSGD, CosFace, Head, margin_softmax
from cones.engine.draws import draw_seed
from cones.engine.sampling import sample

Normaliser = Literal["sampled", "all"]
WARM_UP_CLASSES = 256
CPU = torch.device("cpu")


def layer_steps(
    cases: list[tuple[float, Normaliser]], num_classes: int, dim: int, num_rows: int, rounds: int
) -> list[dict[str, Any]]:
    """Medians of forward and backward with `ClassSGD`, the cases taken in turn, and the peak above what was held."""
    torch.manual_seed(0)
    x, y = torch.randn(num_rows, dim, requires_grad=True), torch.randint(num_classes, (num_rows,))
    heads = [_head(dim, num_classes, *case) for case in cases]
    small = [_head(dim, WARM_UP_CLASSES, *case) for case in cases]
    times: list[list[float]] = [[] for _ in cases]
    for one in small:
        _step(one, x, y % WARM_UP_CLASSES)
    memory = [growth_of(lambda one=one: _step(one, x, y), CPU) for one in heads]  # type: ignore[misc]
    for _ in range(rounds):
        for one, each in zip(heads, times, strict=True):
            start = time.perf_counter()
            _step(one, x, y)
            each.append(time.perf_counter() - start)
    return [
        {"rate": rate, "normaliser": normaliser, "ms": 1e3 * statistics.median(each), "bytes": extra}
        for (rate, normaliser), each, extra in zip(cases, times, memory, strict=True)
    ]


def _head(dim: int, num_classes: int, rate: float, normaliser: Normaliser) -> tuple[Head, ClassSGD]:
    head = Head(dim, num_classes, ArcFace(scale=32.0), sample_rate=rate, normaliser=normaliser)
    return head, ClassSGD(head, lr=0.1)


def _step(one: tuple[Head, ClassSGD], x: Tensor, y: Tensor) -> None:
    head, optimizer = one
    x.grad = None
    head(x, y).backward()
    optimizer.step()


def bias(num_classes: int, rate: float, draws: int) -> dict[str, tuple[float, float]]:
    """Distance of the mean gradient over draws from that over all classes, over the norm of the latter, in three ways.

    Returns:
        by way, the distance, and the one that sampling error alone would give: the root of the mean square.
    """
    torch.manual_seed(0)
    x, w = torch.randn(3, 5, dtype=torch.float64), torch.randn(num_classes, 5, dtype=torch.float64)
    y, margin = torch.arange(3), CosFace(0.1, 4.0)
    heads = {way: Head(5, num_classes, margin, sample_rate=rate, normaliser=way, dtype=torch.float64)
             for way in ("sampled", "all")}  # fmt: skip
    for head in heads.values():
        head.load_state_dict({"weight": w})

    def weighted() -> Tensor:
        weight = w.clone().requires_grad_()
        classes = sample(y, slice(0, num_classes), rate, draw_seed())
        added = torch.where(torch.isin(classes, y), 0, -torch.tensor(rate, dtype=torch.float64).log())
        places = torch.searchsorted(classes, y)
        margin_softmax(x, weight[classes], places, margin, bias=added).mean().backward()
        assert weight.grad is not None
        return weight.grad

    def gradient(head: Head) -> Tensor:
        return torch.autograd.grad(head(x, y), head.weight)[0].to_dense()

    exact = gradient(heads["all"].eval())
    heads["all"].train()
    ways: dict[str, Callable[[], Tensor]] = {
        "over the sampled classes": lambda: gradient(heads["sampled"]),
        "weights inside the logarithm": weighted,
        "over all classes": lambda: gradient(heads["all"]),
    }
    found = {}
    for name, draw in ways.items():
        each = torch.stack([draw() for _ in range(draws)])
        error = (each.var(dim=0).sum() / draws).sqrt()
        found[name] = (float((each.mean(dim=0) - exact).norm() / exact.norm()), float(error / exact.norm()))
    return found
