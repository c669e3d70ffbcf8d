"""Neural collapse: distance of features, class means and head from their common limit, a simplex."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .._arrays import Array, as_features
from .._table import Row, table_of_rows
from ..blocks import ROUNDING, beside, blocks, classes, labelled
from ._directions import class_directions, simplex_distance


@dataclass(frozen=True)
class NeuralCollapse:
    """Result of `neural_collapse`; 0 is full collapse in all but the last. Printed, it is a table.

    Attributes:
        within_class: NC1, scatter within the classes over that between them; None where all class means are the same.
        norm_variation: NC2, standard deviation of the lengths of the centred class means over their mean; None where
            all class means are the same.
        cosine_variation: NC2, standard deviation of their cosines over all pairs; None where a centred mean is 0,
            which has no direction.
        simplex_cosine: NC2, mean over all pairs of |cos + 1/(K-1)|; None as above.
        simplex_distance: NC2, of their Gram matrix to that of a simplex; None where all class means are the same.
        self_duality: NC3, in 0..4, 2 where weight and means have nothing in common; None without weight, where a class
            of weight has no row and so no mean, or where weight or all centred means are 0.
        nearest_mean_agreement: NC4, share of rows that the head gives to the class with the nearest mean, in 0..1;
            None without predicted.
    """

    within_class: float | None
    norm_variation: float | None
    cosine_variation: float | None
    simplex_cosine: float | None
    simplex_distance: float | None
    self_duality: float | None = None
    nearest_mean_agreement: float | None = None

    def rows(self) -> list[Row]:
        """Names, values and meanings."""
        return [
            ("NC1 within over between", self.within_class, "0: each class is a point"),
            ("NC2 variation of norms", self.norm_variation, "0: means of equal length"),
            ("NC2 variation of cosines", self.cosine_variation, "0: means at one angle"),
            ("NC2 |cos + 1/(K-1)|", self.simplex_cosine, "0: as far apart as can be"),
            ("NC2 distance to the simplex", self.simplex_distance, "0: a simplex"),
            ("NC3 self-duality", self.self_duality, "0: weight = means"),
            ("NC4 agreement", self.nearest_mean_agreement, "1: head = nearest mean"),
        ]

    def __str__(self) -> str:
        return table_of_rows("neural collapse", self.rows())


def neural_collapse(
    features: Array, labels: Array, weight: Array | None = None, predicted: Array | None = None
) -> NeuralCollapse:
    """Measure neural collapse on a labelled set, best the training set.

        NC1 = tr(S_W pinv(S_B)) / K,   S_W = mean_c mean_{i in c} (x_i - m_c)(x_i - m_c)^T
                                       S_B = mean_c (m_c - m)(m_c - m)^T,   m = mean_c m_c
        NC2 = std_c |m_c - m| / mean_c |m_c - m|,   std_{c,c'} cos(m_c - m, m_c' - m),
              mean_{c,c'} |cos(m_c - m, m_c' - m) + 1/(K-1)|,   and `simplex_distance` of the m_c - m
        NC3 = | W / |W|_F - M / |M|_F |_F^2,   the rows of M are m_c - m
        NC4 = share of rows with predicted class = argmin_c |x - m_c|

    The classes of the paper have one size. Here each counts the same, however many rows it has: the means of a
    simplex then have mean 0 whatever the sizes. Classes without a row take no part. The paper shows 1 - NC4. Some
    public code leaves out the 1/K of NC1 and takes standard deviations over one less than the number.

    Args:
        features: (N, D), any floating dtype.
        labels: (N,) integers or text; rows of unknown subjects, -1, are left out.
        weight: (K, D), the head's rows; labels must be 0..K-1.
        predicted: (N,) the head's class of each row, such as `head.logits(features).argmax(1)`.

    Returns:
        `NeuralCollapse`; a measure that is not defined is None.

    Raises:
        ValueError: no rows, shapes that do not fit, numbers that are not finite, labels outside of weight.

    Reference: Papyan, Han, Donoho, "Prevalence of neural collapse during the terminal phase of deep learning
    training", PNAS 2020, arXiv 2008.08186, figures 2-7.

    Example:
        >>> x = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, 1.0]])  # two points: a simplex about their middle
        >>> n = neural_collapse(x, torch.tensor([0, 0, 1]))
        >>> n.within_class, n.norm_variation, n.simplex_cosine
        (0.0, 0.0, 0.0)
    """
    features, labels, known = labelled(features, labels)
    weight = None if weight is None else as_features("weight", weight)
    predicted = beside("predicted", predicted, known)
    values = labels.unique()
    index, counts = classes(labels)
    if weight is not None:
        _check_weight(weight, features, values)
    if predicted is not None and predicted.shape != labels.shape:
        raise ValueError(
            f"predicted has shape {tuple(predicted.shape)}, expected {tuple(labels.shape)}: one class per row"
        )
    size = features.detach().abs().amax().to(torch.float64) if features.numel() else torch.tensor(0.0)
    scale = 1 / size.item() if size > 0 else 1.0  # numbers of size 1: squares neither overflow nor vanish
    means = _means(features, index, counts, scale)
    centre = means.mean(dim=0)
    centred = means - centre
    centred[centred.norm(dim=1) <= ROUNDING * means.norm(dim=1).max()] = 0  # zero up to rounding
    nothing = not bool(centred.any())
    flat = bool((centred == 0).all(dim=1).any())
    between = class_directions(centred) if not nothing else None
    return NeuralCollapse(
        within_class=None if nothing else _within(features, index, counts, means, centred, scale),
        norm_variation=between.norm_variation if between else None,
        cosine_variation=between.cosine_variation if between and not flat else None,
        simplex_cosine=between.simplex_cosine if between and not flat else None,
        simplex_distance=simplex_distance(centred),
        self_duality=None if weight is None or nothing else _duality(weight, centred),
        nearest_mean_agreement=None
        if predicted is None
        else _agreement(features, predicted, values, centred, centre, scale),
    )


def _means(features: Tensor, index: Tensor, counts: Tensor, scale: float) -> Tensor:
    """Class means (C, D) of the features times scale."""
    sums = torch.zeros(len(counts), features.shape[1], dtype=torch.float64, device=features.device)
    for x, i in blocks(features, index):
        sums.index_add_(0, i, x * scale)
    return sums / counts[:, None]


def _within(features: Tensor, index: Tensor, counts: Tensor, means: Tensor, centred: Tensor, scale: float) -> float:
    """tr(S_W pinv(S_B)) / C, from the singular values of the centred means: no (D, D) matrix is inverted."""
    _, singular, axes = torch.linalg.svd(centred, full_matrices=False)
    keep = singular > max(centred.shape) * torch.finfo(torch.float64).eps * torch.linalg.matrix_norm(means)
    keep[len(counts) - 1 :] = False  # centred means have rank C - 1 at most
    axes, singular = axes[keep], singular[keep]
    sums = means.new_zeros(len(counts))  # of each class's rows: |S_B^(-1/2) (x - m_c)|^2
    for x, i in blocks(features, index):
        sums.index_add_(0, i, ((x * scale - means[i]) @ axes.T / singular).square().sum(dim=1))
    # S_B = centred^T centred / C: the C of its inverse falls against the C of the measure
    return (sums / counts).mean().item()


def _duality(weight: Tensor, centred: Tensor) -> float | None:
    rows = weight.detach().to(torch.float64)
    rows = rows / torch.where(rows.abs().amax() > 0, rows.abs().amax(), 1)
    if len(rows) != len(centred) or not bool(rows.any()):
        return None
    difference = rows / torch.linalg.matrix_norm(rows) - centred / torch.linalg.matrix_norm(centred)
    return float(difference.square().sum())


def _agreement(
    features: Tensor, predicted: Tensor, values: Tensor, centred: Tensor, centre: Tensor, scale: float
) -> float:
    """Share of rows whose nearest mean is the predicted class; about the centre, where no digits cancel."""
    half = centred.square().sum(dim=1) / 2
    agreed = 0
    for x, head in blocks(features, predicted, columns=len(values)):
        nearest = ((x * scale - centre) @ centred.T - half).argmax(dim=1)
        agreed += int((values[nearest] == head).sum())
    return agreed / len(features)


def _check_weight(weight: Tensor, features: Tensor, values: Tensor) -> None:
    if weight.ndim != 2 or weight.shape[1] != features.shape[1]:
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}, expected (K, {features.shape[1]}): one row per class"
        )
    wrong = values[(values < 0) | (values >= len(weight))]
    if len(wrong):
        raise ValueError(f"labels holds {int(wrong[0])}, but weight has {len(weight)} rows: expected 0..K-1")
