"""k-means: Lloyd's iteration from k-means++ seeds."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...common.checks import check_seed
from .._arrays import Array, as_features
from ..progress import Progress, silent
from ..similarity import BLOCK, check_features, slices

ROUNDING = 1e-14  # of float64; a squared distance below it counts as 0


@dataclass(frozen=True)
class Clusters:
    """Result of `k_means`.

    Attributes:
        assignment: (N,) the cluster of each row, in 0..k-1.
        centers: (k, D) in float64.
        inertia: sum over rows of the squared distance to their center.
        iterations: of the best start.
        converged: the best start ended because no row changed its cluster.
    """

    assignment: Tensor
    centers: Tensor
    inertia: float
    iterations: int
    converged: bool


def k_means(
    features: Array,
    k: int,
    *,
    restarts: int = 3,
    iterations: int = 100,
    seed: int = 0,
    block: int = BLOCK,
    progress: Progress = silent,
) -> Clusters:
    """The best of several starts of Lloyd's iteration.

        minimise Σ_i ‖x_i - c_a(i)‖²

    The first center is a random row; each further one is drawn with probability ∝ its squared distance to the nearest
    center so far (k-means++). An empty cluster takes the row that is farthest from its center. A row goes
    to the first of equally near centers. For spherical k-means give unit vectors.

    Args:
        features: (N, D), any floating dtype; computed in float64.
        k: clusters, 1..N.
        restarts: starts, 1 or more; the smallest inertia wins, the first of equals.
        iterations: at most, in a start.
        seed: of all starts.
        block: approximate number of distances held at once.
        progress: reports the iterations done, out of the most that may be needed.

    Returns:
        `Clusters`.

    Raises:
        ValueError: features that are not (N, D) and finite, k or a count out of its range.

    Reference: S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28(2), 1982;
        D. Arthur, S. Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007.

    Example:
        >>> clusters = k_means(torch.tensor([[0.0], [1.0], [9.0], [11.0]]), k=2)
        >>> sorted(clusters.centers[:, 0].tolist()), clusters.inertia
        ([0.5, 10.0], 2.5)
    """
    features = as_features("features", features)
    check_features("features", features)
    if not 1 <= k <= len(features):
        raise ValueError(f"k is {k}, expected 1..{len(features)}, the number of rows")
    if restarts < 1 or iterations < 1:
        raise ValueError(f"restarts is {restarts} and iterations {iterations}, expected 1 or more of each")
    check_seed(seed)
    x = features.detach().to(torch.float64)
    generator = torch.Generator().manual_seed(seed)
    # around the mean, so that a common offset does not drown the distances in rounding
    middle = x.mean(0)
    x = x - middle
    starts = []
    for start in range(restarts):
        seeds = _seeds(x, k, generator)
        starts.append(_lloyd(x, seeds, iterations, max(1, block // k), _shifted(progress, start, restarts)))
    best = min(starts, key=lambda clusters: clusters.inertia)
    return replace(best, centers=best.centers + middle)


def _seeds(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k rows by k-means++, (k, D)."""
    chosen = [int(torch.randint(len(x), (), generator=generator))]
    squares = x.square().sum(1)

    def distance(row: int) -> Tensor:
        d = (squares + squares[row] - 2 * (x @ x[row])).clamp_min(0)
        return d.where(d > ROUNDING * (squares + squares[row]), 0)

    nearest = distance(chosen[0])
    while len(chosen) < k:
        # a number between 0 and the sum, looked up among the partial sums; where all distances are 0, any row will do
        sums = nearest.cumsum(0)
        drawn = torch.rand((), generator=generator, dtype=torch.float64).to(x.device) * sums[-1]
        if sums[-1] > 0:
            chosen.append(min(int(torch.searchsorted(sums, drawn, right=True)), len(x) - 1))
        else:
            chosen.append(int(torch.randint(len(x), (), generator=generator)))
        nearest = torch.minimum(nearest, distance(chosen[-1]))
    return x[chosen]


def _shifted(progress: Progress, start: int, starts: int) -> Progress:
    """Progress of one of several starts as part of the whole."""
    return lambda stage, done, total: progress(stage, start * total + done, starts * total)


def _lloyd(x: Tensor, centers: Tensor, iterations: int, step: int, progress: Progress) -> Clusters:
    assignment, distance = _nearest(x, centers, step)
    done, converged = 0, False
    while done < iterations and not converged:
        centers = _means(x, assignment, distance, centers)
        before = assignment
        assignment, distance = _nearest(x, centers, step)
        done, converged = done + 1, bool((assignment == before).all())
        progress("clusters", done, iterations)
    progress("clusters", iterations, iterations)
    return Clusters(assignment, centers, distance.sum().item(), done, converged)


def _nearest(x: Tensor, centers: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The nearest center of each row, the first of equals, and its squared distance."""
    place = []
    for rows in slices(len(x), step):
        # ‖x‖² is the same for all centers; the rest is rounded, so the distance itself is computed again
        place.append((centers.square().sum(1) - 2 * x[rows] @ centers.T).argmin(1))
    assignment = torch.cat(place)
    return assignment, (x - centers[assignment]).square().sum(1)


def _means(x: Tensor, assignment: Tensor, distance: Tensor, centers: Tensor) -> Tensor:
    """The mean of each cluster's rows; an empty cluster gets the farthest row; it stays where all distances are 0."""
    k = len(centers)
    counts = torch.bincount(assignment, minlength=k)
    empty = (counts == 0).nonzero()[:, 0]
    if len(empty):
        far, row = distance.topk(len(empty))
        assignment = assignment.clone()
        assignment[row[far > 0]] = empty[far > 0]
        counts = torch.bincount(assignment, minlength=k)
    sums = torch.zeros_like(centers).index_add_(0, assignment, x)
    return torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centers)
