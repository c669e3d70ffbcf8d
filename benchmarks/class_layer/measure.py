"""Measurements of a class layer: times, memory, errors. N rows, D dims, K classes."""

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.class_layer.contenders import BARE_ARCFACE, CONTENDERS, SCALE, Contender, indexed_arcface
from benchmarks.class_layer.memory import growth_of
from cones.engine.matmul import add_product, product
from cones.engine.planner import plan, tile_bytes_of

WARM_UP = (64, 256)
"""N and K of the call after which the peak is watched: the libraries have then set themselves up."""

LONG_ENOUGH = 0.05
"""Seconds that are timed at once; shorter steps are repeated."""

SEEDS = 5
"""Number of problems whose largest error is reported."""

Step = Callable[[], object]


class Problem(NamedTuple):
    """Features (N, D) that want a gradient, W (K, D), labels (N,)."""

    features: Tensor
    weight: Tensor
    labels: Tensor


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def problem(num_rows: int, num_classes: int, dim: int, seed: int = 0) -> Problem:
    """Random numbers: W as a linear layer begins, so that inner products have variance 1."""
    torch.manual_seed(seed)
    where = device()
    features = torch.randn(num_rows, dim, device=where).requires_grad_()
    weight = torch.randn(num_classes, dim, device=where).div_(dim**0.5)
    return Problem(features, weight, torch.randint(num_classes, (num_rows,), device=where))


def steps(contender: Contender, given: Problem) -> tuple[Step, Step]:
    """Return the preparation of a step (clearing gradients), and the step: mean loss, forward, backward."""
    if contender.build is None:
        return (lambda: None), bare_arcface(given) if contender.name == BARE_ARCFACE else tiled_products(given)
    layer = contender.build(given.weight)

    def clear() -> None:
        given.features.grad = None
        layer.zero_grad()

    def step() -> None:
        layer(given.features, given.labels).mean().backward()

    return clear, step


def plain_products(given: Problem) -> Step:
    """The bare minimum of any dense layer, by `torch.mm` into arrays that are there already.

    x @ W.T (N, K), S @ W (N, D), S.T @ x (K, D)
    """
    x, w = given.features.detach(), given.weight
    logits, d_x, d_w = x.new_empty(len(x), len(w)), torch.empty_like(x), torch.empty_like(w)

    def step() -> None:
        torch.mm(x, w.T, out=logits)
        torch.mm(logits, w, out=d_x)
        torch.mm(logits.T, x, out=d_w)

    return step


def tiled_products(given: Problem) -> Step:
    """The same three, by the kernels and in the tiles that cones takes, with nothing in between."""
    x, w = given.features.detach(), given.weight
    d_x, d_w = torch.empty_like(x), torch.ones_like(w)  # ones: an array takes memory once it is written to
    size = plan(len(x), x.shape[1], len(w), tile_bytes=tile_bytes_of(x.device)).tile

    def step() -> None:
        d_x.zero_()
        for tile, d_tile in zip(w.split(size), d_w.split(size), strict=True):
            logits = product(x, tile.T)
            d_x.add_(product(logits, tile))
            d_tile.copy_(product(logits.T, x))

    return step


def bare_arcface(given: Problem) -> Step:
    """The products and the passes over W and the logits that a cosine loss needs, by hand: no checks, margin or graph.

    Norms of W; tile by tile unit rows, logits, exponentials and their sums, where the exponentials stay in the memory
    that the gradient of W will take; then the products of the gradients, less what lies along each row of W. That
    gradient is new memory in each step, as in every layer here.
    """
    x, w = given.features.detach(), given.weight
    n, dim = x.shape
    size = plan(n, dim, len(w), tile_bytes=tile_bytes_of(x.device)).tile
    work, unit, logits = w.new_empty(size, dim), w.new_empty(size, dim), x.new_empty(n * size)
    stays = n <= dim

    def place(d_tile: Tensor) -> Tensor:
        return (d_tile.view(-1) if stays else x.new_empty(n * len(d_tile)))[: n * len(d_tile)].view(n, -1)

    def step() -> None:
        unit_x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
        inverse = torch.linalg.vector_norm(w, dim=1, keepdim=True).reciprocal()
        d_x, d_w, total = torch.zeros_like(x), torch.empty_like(w), x.new_zeros(n, 1)
        tiles, d_tiles, factors = w.split(size), d_w.split(size), inverse.split(size)
        kept = [place(d_tile) for d_tile in d_tiles]
        scaled = unit_x * (SCALE / math.log(2))
        for tile, factor, exponentials in zip(tiles, factors, kept, strict=True):
            rows = torch.mul(tile, factor, out=unit[: len(tile)])
            torch.exp2(product(scaled, rows.T, logits[: exponentials.numel()].view(n, -1)), out=exponentials)
            total += exponentials.sum(dim=1, keepdim=True)
            add_product(d_x, exponentials, rows)
        d_x /= total
        pull = unit_x / total
        for tile, factor, d_tile, exponentials in zip(tiles, factors, d_tiles, kept, strict=True):
            d_unit = product(exponentials.T, pull, work[: len(tile)])
            along = torch.mul(d_unit, tile, out=unit[: len(tile)]).sum(dim=1, keepdim=True) * factor
            d_unit *= factor
            torch.addcmul(d_unit, tile, along * factor * factor, value=-1, out=d_tile)

    return step


def seconds(contender: Contender, num_rows: int, num_classes: int, dim: int, rounds: int) -> dict[str, list[float]]:
    """Wall times of the layer and of the plain products, taken in turn, after a round that does not count."""
    given = problem(num_rows, num_classes, dim)
    clear, step = steps(contender, given)
    bare = plain_products(given)
    _timed(step)
    _timed(bare)
    often = max(1, math.ceil(LONG_ENOUGH / max(_timed(step), 1e-6))), max(1, math.ceil(LONG_ENOUGH / _timed(bare)))
    times: dict[str, list[float]] = {"seconds": [], "products_seconds": []}
    for _ in range(1 + rounds):
        times["seconds"].append(_timed(step, clear, often[0]))
        times["products_seconds"].append(_timed(bare, times=often[1]))
    return {name: values[1:] for name, values in times.items()}


def in_turn(
    contenders: Sequence[Contender], num_rows: int, num_classes: int, dim: int, rounds: int
) -> list[list[float]]:
    """Wall times of each layer by round, all in turn in this process: for steps of a fraction of a millisecond."""
    each = [steps(contender, problem(num_rows, num_classes, dim)) for contender in contenders]
    for clear, step in each:
        _timed(step, clear)
    often = [max(1, math.ceil(LONG_ENOUGH / _timed(step, clear))) for clear, step in each]
    turns = [
        [_timed(step, clear, times) for (clear, step), times in zip(each, often, strict=True)]
        for _ in range(1 + rounds)
    ]
    return [list(times) for times in zip(*turns[1:], strict=True)]


def extra_bytes(contender: Contender, num_rows: int, num_classes: int, dim: int) -> int | None:
    """Peak of a step above features, W and their gradients; None where it cannot be told."""
    _, warm_up = steps(contender, problem(*WARM_UP, dim))
    warm_up()
    del warm_up, _
    given = problem(num_rows, num_classes, dim)
    _, step = steps(contender, given)
    gradients = 0 if contender.build is None else (num_rows + num_classes) * dim * given.features.element_size()
    grown = growth_of(step, device())
    return None if grown is None else max(0, grown - gradients)


def errors(num_rows: int, num_classes: int, dim: int) -> dict[str, dict[str, float]]:
    """Error of each ArcFace against float64, by contender and by what: loss, features, weight.

    Half of the rows are random, the other half 45 degrees from their own class. An error is the norm of the difference
    over the norm of the truth, and of SEEDS problems the largest counts.
    """
    found: dict[str, dict[str, float]] = {}
    for seed in range(SEEDS):
        given = problem(num_rows, num_classes, dim, seed)
        near = given.features.detach()
        near[::2] += dim**0.5 * given.weight[given.labels[::2]]
        x, w = (tensor.detach().double().requires_grad_() for tensor in (near, given.weight))
        losses = indexed_arcface(x, w, given.labels)
        losses.mean().backward()
        assert x.grad is not None
        assert w.grad is not None
        truth = {"loss": losses.detach(), "features": x.grad, "weight": w.grad}
        for contender in CONTENDERS:
            if contender.build is None or not contender.arcface or contender.missing():
                continue
            layer, x = contender.build(given.weight.clone()), near.clone().requires_grad_()
            losses = layer(x, given.labels)
            losses.mean().backward()
            assert x.grad is not None
            got = {"loss": losses.detach(), "features": x.grad, "weight": layer.weight_gradient()}
            largest = found.setdefault(contender.name, dict.fromkeys(truth, 0.0))
            for name, value in truth.items():
                largest[name] = max(largest[name], _error(got[name], value))
    return found


def _timed(step: Step, clear: Step = lambda: None, times: int = 1) -> float:
    """Seconds per step, as a mean over several steps, including `clear`."""
    _wait()
    start = time.perf_counter()
    for _ in range(times):
        clear()
        step()
    _wait()
    return (time.perf_counter() - start) / times


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _error(got: Tensor, truth: Tensor) -> float:
    return float((got.double() - truth).norm() / truth.norm())
