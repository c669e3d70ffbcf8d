"""Sub-centers against wrong labels: dominant centers, and dropping of samples far from them.

Train with `Head(..., subcenters=3)`: most samples of a class gather at one of its centers, the dominant one; hard and
mislabelled samples go to the others. Then `drop` the other centers and the samples far from the dominant one, and train
again on the remaining samples, with one center per class.

N rows, D dims, K classes, S centers each.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .common.dtypes import working_dtype
from .common.unit_vectors import direction, row_angles
from .engine.checks import check_arguments
from .head import Head
from .margins import NormFace

__all__ = ["DominantCenters", "Dropped", "dominant_centers", "drop", "head_of_dominant"]

MAX_ANGLE = 5 * math.pi / 12
"""75 degrees, as in the paper."""

BLOCK = 2**20
"""Numbers that are processed at once."""


@dataclass(frozen=True, eq=False)
class DominantCenters:
    """Distribution of the samples of each class over its centers.

    Attributes:
        counts: (K, S) int64, samples of the class that are nearest to each center.
        dominant: (K,) int64 in 0..S-1, the center with most of them, the first of equals.
    """

    counts: Tensor
    dominant: Tensor

    def rows(self) -> Tensor:
        """(K,) row numbers of the dominant centers in the weight (K * S, D)."""
        num_classes, subcenters = self.counts.shape
        return torch.arange(num_classes, device=self.dominant.device) * subcenters + self.dominant


@dataclass(frozen=True, eq=False)
class Dropped:
    """Result of `drop`.

    Attributes:
        weight: (K, D) the dominant center of each class.
        kept: (N,) bool, True for samples to keep.
        angles: (N,) of each sample to the dominant center of its class, in radians.
        centers: distribution of the samples over centers.
    """

    weight: Tensor
    kept: Tensor
    angles: Tensor
    centers: DominantCenters


@torch.no_grad()
def dominant_centers(features: Tensor, labels: Tensor, weight: Tensor, subcenters: int) -> DominantCenters:
    """Count the samples at each center of their class.

    Nearest is the center of the smallest angle, the first of equals; a zero vector is at right angles to all. Rows are
    taken block by block, a few MB at a time. Nothing has a gradient.

    Args:
        features: (N, D) of the training set, by the net as trained.
        labels: (N,) integers in 0..K-1.
        weight: (K * S, D), the centers of one class adjacent, as in `Head.weight`.
        subcenters: S.

    Returns:
        counts and dominant centers; for a class without samples the first center.

    Raises:
        TypeError, ValueError: shapes, dtypes or labels are wrong.

    Reference: Deng, Guo, Liu, Gong, Zafeiriou, "Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web
    Faces", ECCV 2020; the count is that of the authors' code.

    Example:
        >>> centers = torch.tensor([[1.0, 0.0], [0.0, 1.0]])              # one class, two centers
        >>> x = torch.tensor([[2.0, 0.1], [0.1, 1.0], [0.0, 3.0]])
        >>> dominant_centers(x, torch.tensor([0, 0, 0]), centers, 2)
        DominantCenters(counts=tensor([[1, 2]]), dominant=tensor([1]))
    """
    _check(features, labels, weight, subcenters)
    num_classes = len(weight) // subcenters
    centers = weight.unflatten(0, (num_classes, subcenters))
    nearest = labels.new_empty(len(labels), dtype=torch.long)
    for rows in _blocks(features, subcenters):
        x, own = _unit(features[rows]), _unit(centers[labels[rows].long()].flatten(0, 1))
        cosine = (x[:, None] * own.unflatten(0, (-1, subcenters))).sum(dim=2)
        nearest[rows] = cosine.argmax(dim=1)
    place = labels.long() * subcenters + nearest
    counts = torch.bincount(place, minlength=len(weight)).view(num_classes, subcenters)
    return DominantCenters(counts, counts.argmax(dim=1))


@torch.no_grad()
def drop(features: Tensor, labels: Tensor, weight: Tensor, subcenters: int, *, max_angle: float = MAX_ANGLE) -> Dropped:
    """Keep the dominant center of each class, and the samples within an angle of it.

        kept_i = theta(x_i, w_{y_i, dominant}) <= max_angle

    A class may lose all its samples: it then stays in `weight`, and no row of `kept` has its label. Rows are taken
    block by block, a few MB at a time. Nothing has a gradient.

    Args:
        features, labels, weight, subcenters: as `dominant_centers`.
        max_angle: in radians, in 0..pi; the paper's 75 degrees are 5 pi / 12.

    Returns:
        the dominant centers as a weight with one center per class, the samples to keep, and their angles.

    Raises:
        TypeError, ValueError: shapes, dtypes or labels are wrong, or max_angle is out of its range.

    Reference: Deng, Guo, Liu, Gong, Zafeiriou, "Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web
    Faces", ECCV 2020, three steps: train, drop, train again. The authors' code drops at exactly 75 degrees too, and
    renumbers the classes without those that have lost all samples.

    Example:
        >>> centers = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> x = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 3.0], [3.0, 1.0]])
        >>> dropped = drop(x, torch.tensor([0, 0, 0, 0]), centers, 2)
        >>> dropped.weight, dropped.kept
        (tensor([[1., 0.]]), tensor([ True,  True, False,  True]))
    """
    if not 0 <= max_angle <= math.pi:
        raise ValueError(
            f"max_angle is {max_angle}, expected radians in 0..pi; {max_angle} degrees would be "
            f"{math.radians(max_angle):.4f}"
        )
    centers = dominant_centers(features, labels, weight, subcenters)
    dominant = weight.detach()[centers.rows()]
    angles = [
        row_angles(_unit(features[rows]), _unit(dominant[labels[rows].long()]))
        for rows in _blocks(features, subcenters)
    ]
    whole = torch.cat(angles) if angles else _unit(features).sum(dim=1)
    return Dropped(dominant, whole <= max_angle, whole, centers)


def head_of_dominant(head: Head, centers: DominantCenters) -> Head:
    """Build a head with the dominant centers of another, one per class, and all else the same.

    Args:
        head: with S centers per class; not sharded over processes.
        centers: its own, from `dominant_centers` or from `drop(...).centers`.

    Returns:
        a new head: its parameters are copies, in no optimiser.

    Raises:
        ValueError: the head is sharded, or centers are those of another head.

    Reference: Deng et al., ECCV 2020, as `drop`.

    Example:
        >>> from cones import ArcFace
        >>> head = Head(4, 10, ArcFace(), subcenters=3)
        >>> x, y = torch.randn(50, 4), torch.arange(50) % 10
        >>> head_of_dominant(head, dominant_centers(x, y, head.weight, 3)).weight.shape
        torch.Size([10, 4])
    """
    if head.group is not None:
        raise ValueError("head is sharded over processes: gather its weight, and build a Head without a group")
    if centers.counts.shape != (head.num_classes, head.subcenters):
        raise ValueError(
            f"centers are of {centers.counts.shape[0]} classes with {centers.counts.shape[1]} centers each, but the "
            f"head has {head.num_classes} with {head.subcenters}"
        )
    single = Head(
        head.in_features,
        head.num_classes,
        head.margin,
        bias=head.bias is not None,
        learn_scale=head.scale is not None,
        sample_rate=head.sample_rate,
        normaliser=head.normaliser,
        compute_dtype=head.compute_dtype,
        memory_budget=head.memory_budget,
        label_smoothing=head.label_smoothing,
        focal=head.focal,
        class_weights=head.class_weights,
        device=head.weight.device,
        dtype=head.weight.dtype,
    )
    single.load_state_dict({**head.state_dict(), "weight": head.weight.detach()[centers.rows()]})
    return single.train(head.training)


def _check(features: Tensor, labels: Tensor, weight: Tensor, subcenters: int) -> None:
    # the angles here are those of a loss with features and weights of unit length
    check_arguments(features, weight, labels, NormFace(), None, subcenters=subcenters)


def _blocks(features: Tensor, subcenters: int) -> Iterator[slice]:
    """Rows whose centers together are a few MB."""
    size = max(1, BLOCK // (subcenters * max(features.shape[1], 1)))
    return (slice(start, start + size) for start in range(0, len(features), size))


def _unit(vectors: Tensor) -> Tensor:
    """Directions of vectors (N, D), in float32 at least."""
    return direction(vectors.to(working_dtype(vectors)))[0]
