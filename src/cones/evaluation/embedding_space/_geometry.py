"""Separation of labelled features: angles, ratios and norms."""

# N rows, D dims, K classes. All in float64, in blocks of rows.

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...common.unit_vectors import direction, row_angles
from .. import blocks as _blocks
from .._arrays import UNKNOWN, Array, as_features, as_labels
from ..blocks import blocks, check, check_range, classes, mean_direction, one_minus_cosine, sum_blocks
from ..figure import Figure
from ..quantities import GEOMETRY

CONFIDENT = 0.99


@dataclass(frozen=True)
class Geometry:
    """Result of `geometry`; angles in radians.

    Attributes:
        mean_intra_angle: mean over rows of the angle between a feature and the mean direction of its class.
        mean_inter_angle: mean over pairs of classes of the angle between their mean directions.
        min_inter_angle: the smallest of these angles.
        fisher_ratio: trace S_b / trace S_w of the features as they are; inf where S_w is 0.
        angular_fisher_score: S_w / S_b in angles, smaller is better (see `angular_fisher_score`).
        mean_norm: mean Euclidean norm of the features.
        norm_variation: standard deviation of the norms over their mean; 0 where all features are 0.
        mean_own_angle: mean angle between a feature and its class's row of `weight`; None without weight.
        mean_other_angle: mean angle between a feature and the nearest other row of `weight`; None without it.
        confident_share: share of rows with p_y > 0.99, in 0..1; None without logits.
        confident_gradient: mean over those rows of 1 - p_y = ½‖∂L/∂logits‖₁, the gradient that cross entropy
            still gives them; None without logits or without such rows.
    """

    mean_intra_angle: float
    mean_inter_angle: float
    min_inter_angle: float
    fisher_ratio: float
    angular_fisher_score: float
    mean_norm: float
    norm_variation: float
    mean_own_angle: float | None = None
    mean_other_angle: float | None = None
    confident_share: float | None = None
    confident_gradient: float | None = None

    def as_figures(self) -> list[Figure]:
        """The lines of the table of figures that an evaluation shows; angles in degrees."""
        keys = (
            "mean_intra_angle", "mean_inter_angle", "min_inter_angle", "fisher_ratio", "angular_fisher_score",
            "mean_norm",
        )  # fmt: skip
        return [_figure(key, getattr(self, key)) for key in keys]


def _figure(key: str, value: float) -> Figure:
    """A line of the table of figures; a ratio of 0 and 0, or of rounding and 0, is refused."""
    if key == "angular_fisher_score" and not math.isfinite(value):
        return GEOMETRY[key].figure(None, note="the classes do not differ in their mean direction")
    if math.isnan(value):
        return GEOMETRY[key].figure(None, note="embeddings do not differ, neither within classes nor between them")
    return GEOMETRY[key].figure(value)


def geometry(features: Array, labels: Array, weight: Array | None = None, logits: Array | None = None) -> Geometry:
    """Measure the spread of the classes, their distances, and the gradient that confident rows still get.

    The mean direction of a class is the direction of the mean of its unit features. A zero feature has
    cosine 0, angle π/2, with everything. Classes without a row take no part.

    Args:
        features: (N, D), N ≥ 2, any floating dtype.
        labels: (N,) integers or text, at least two different ones; rows of unknown subjects, -1, are left out.
        weight: (K, D) class directions, one row per class; labels must be 0..K-1.
        logits: (N, K) logits without margin, as at prediction (`Head.logits`); labels must be 0..K-1.

    Returns:
        `Geometry`; angles in radians.

    Raises:
        ValueError: for no rows, one class, or shapes that do not fit.

    Source:
        Angular Fisher score: Liu et al. 2017 (SphereFace), appendix E. Fisher ratio: Fukunaga 1990, ch. 10.

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
        >>> g = geometry(x, torch.tensor([0, 0, 1, 1]))
        >>> round(g.mean_intra_angle, 6), round(math.degrees(g.min_inter_angle), 6)
        (0.0, 90.0)
    """
    rows, numbers, known = _labelled(features, labels)
    directions = None if weight is None else as_features("weight", weight)
    outputs = None if logits is None else as_features("logits", logits)
    if outputs is not None:
        if outputs.ndim != 2 or len(outputs) != len(known):
            raise ValueError(
                f"logits has shape {tuple(outputs.shape)}, expected ({len(known)}, K): one row per feature"
            )
        outputs = outputs[known.to(outputs.device)]
    return _geometry(rows, numbers, directions, outputs)


def _labelled(features: Array, labels: Array) -> tuple[Tensor, Tensor, Tensor]:
    """The rows of known subjects and their labels, at least two, checked; and which rows (N,) they are."""
    rows, (numbers, _) = as_features("features", features), as_labels("labels", labels)
    check(rows, numbers)
    known = numbers != UNKNOWN
    if not bool(known.all()):
        rows, numbers = rows[known.to(rows.device)], numbers[known]
        check(rows, numbers)
    return rows, numbers, known


def _geometry(features: Tensor, labels: Tensor, weight: Tensor | None, logits: Tensor | None) -> Geometry:
    index, counts = classes(labels)
    means, directions, _ = _means(features, index, counts)
    mean_angle, min_angle = _inter_angles(directions)
    size = _size(features)
    norms = torch.cat([(x / size).norm(dim=1) * size for x, _ in blocks(features, index)])
    mean_norm = norms.mean().item()
    own = other = share = gradient = None
    if weight is not None:
        own, other = _weight_angles(features, labels, weight)
    if logits is not None:
        share, gradient = _confidence(logits, labels)
    return Geometry(
        mean_intra_angle=sum_blocks(row_angles(direction(x)[0], directions[i]) for x, i in blocks(features, index))
        / len(labels),
        mean_inter_angle=mean_angle,
        min_inter_angle=min_angle,
        fisher_ratio=_fisher_ratio(features, index, counts, means),
        angular_fisher_score=_angular_fisher_score(features, labels),
        mean_norm=mean_norm,
        norm_variation=norms.std(correction=0).item() / mean_norm if mean_norm > 0 else 0.0,
        mean_own_angle=own,
        mean_other_angle=other,
        confident_share=share,
        confident_gradient=gradient,
    )


def angular_fisher_score(features: Array, labels: Array) -> float:
    """Angular Fisher score S_w / S_b; 0 is perfect, smaller is better.

    S_w = Σ_i Σ_{x in class i} (1 - cos(x, m_i)),  S_b = Σ_i n_i (1 - cos(m_i, m)).

    The class mean m_i and the global mean m are means of *unit* features. The paper writes "mean feature"; on
    unit features the two agree. A mean of raw features would lean to the long ones, and a score made of
    angles alone would change when one feature is only made longer. A zero vector has cosine 0.

    Args:
        features: (N, D), N ≥ 2, any floating dtype.
        labels: (N,) integers or text, at least two different ones; rows of unknown subjects, -1, are left out.

    Returns:
        The score as a float; inf where all classes have the same mean direction, nan where S_w is 0 as well.

    Raises:
        ValueError: for no rows, one class, or shapes that do not fit.

    Source:
        Liu et al. 2017, SphereFace, appendix E.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        >>> round(angular_fisher_score(x, torch.tensor([0, 0, 1, 1])), 6)  # cos = √½ within, 0 with m = 0
        0.292893
    """
    rows, numbers, _ = _labelled(features, labels)
    return _angular_fisher_score(rows, numbers)


def _angular_fisher_score(features: Tensor, labels: Tensor) -> float:
    index, counts = classes(labels)
    _, directions, center = _means(features, index, counts)
    within = sum_blocks(one_minus_cosine(direction(x)[0], directions[i]) for x, i in blocks(features, index))
    between = (counts * one_minus_cosine(directions, center.expand_as(directions))).sum().item()
    if between == 0:
        return math.inf if within > 0 else math.nan
    return within / between


def _means(features: Tensor, index: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means of raw features (C, D); directions of means of unit features: by class (C, D), of all (D,)."""
    raw = features.new_zeros(len(counts), features.shape[1], dtype=torch.float64)
    unit = torch.zeros_like(raw)
    for x, i in blocks(features, index):
        raw.index_add_(0, i, x)
        unit.index_add_(0, i, direction(x)[0])
    n = counts[:, None]
    return raw / n, mean_direction(unit / n), mean_direction(unit.sum(0) / len(features))


def _size(features: Tensor) -> float:
    """Power of two about as large as the largest number: over it no square is too large or too small for float64.

    To divide by it is exact, so that figures are the same to the last bit.
    """
    largest = features.detach().abs().max().item() if features.numel() else 0.0
    return float(math.ldexp(1.0, math.frexp(largest)[1] - 1)) if largest > 0 else 1.0


def _fisher_ratio(features: Tensor, index: Tensor, counts: Tensor, means: Tensor) -> float:
    size = _size(features)
    means = means / size
    center = (means * counts[:, None]).sum(0) / counts.sum()
    between = (counts * (means - center).square().sum(1)).sum().item()
    within = sum_blocks((x / size - means[i]).square().sum(1) for x, i in blocks(features, index))
    if within == 0:
        return math.inf if between > 0 else math.nan
    return between / within


def _inter_angles(directions: Tensor) -> tuple[float, float]:
    """Mean and smallest angle over all pairs of rows of `directions` (C, D)."""
    count, total, smallest = len(directions), 0.0, math.pi
    step = max(1, _blocks.BLOCK // count)
    for start in range(0, count, step):
        angles = (directions[start : start + step] @ directions.T).clamp(-1, 1).acos()
        angles.diagonal(offset=start).fill_(math.inf)
        smallest = min(smallest, angles.min().item())
        total += angles[angles.isfinite()].sum().item()
    return total / (count * (count - 1)), smallest


def _weight_angles(features: Tensor, labels: Tensor, weight: Tensor) -> tuple[float, float]:
    if weight.ndim != 2 or weight.shape[1] != features.shape[1]:
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}, expected (K, {features.shape[1]}): one row per class"
        )
    check_range(labels, len(weight), "weight", "rows")
    directions = direction(weight.detach().to(torch.float64))[0]
    own = other = 0.0
    for x, y in blocks(features, labels, columns=len(weight)):
        unit = direction(x)[0]
        own += row_angles(unit, directions[y]).sum().item()
        cosine = (unit @ directions.T).scatter_(1, y[:, None], -math.inf)
        other += cosine.amax(1).clamp(-1, 1).acos().sum().item()
    return own / len(labels), other / len(labels)


def _confidence(logits: Tensor, labels: Tensor) -> tuple[float, float | None]:
    check_range(labels, logits.shape[1], "logits", "columns")
    confident, missing = 0, 0.0
    for z, y in blocks(logits, labels):
        log_p = (z.gather(1, y[:, None]) - z.logsumexp(1, keepdim=True))[:, 0]
        sure = log_p > math.log(CONFIDENT)
        confident += int(sure.sum())
        missing -= torch.expm1(log_p[sure]).sum().item()
    return confident / len(labels), missing / confident if confident else None
