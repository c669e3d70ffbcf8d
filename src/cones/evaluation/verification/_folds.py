from dataclasses import dataclass

import torch
from torch import Tensor

from .._arrays import Array, as_tensor
from .._checks import check_integers, scored_pairs
from ..figure import Figure, percent
from ..quantities import FOLDS
from ._distances import warn_of_scores
from ._points import points_of


@dataclass(frozen=True)
class FoldAccuracy:
    """Result of `fold_accuracy`.

    Attributes:
        mean: mean accuracy over the folds, 0 to 1.
        standard_error: standard deviation of the accuracies (K - 1 in the denominator) over sqrt(K).
        accuracies: the accuracy of each of the K folds, at the threshold chosen on the others.
        thresholds: these thresholds; a pair is accepted when score >= threshold; inf accepts none.
    """

    mean: float
    standard_error: float
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]

    def as_figures(self) -> list[Figure]:
        """The line of the table of figures: the mean accuracy."""
        note = f"standard error {percent(self.standard_error)}"
        return [FOLDS["mean"].figure(self.mean, len(self.accuracies), note=note)]


def fold_accuracy(scores: Array, same: Array, folds: int | Array = 10) -> FoldAccuracy:
    """Accuracy by the protocol of Labeled Faces in the Wild: each fold at the threshold that is best on the others.

        mu = 1/K sum_k p_k,   SE = sqrt(1/(K - 1) sum_k (p_k - mu)^2) / sqrt(K)

    The threshold is sought among all distinct scores of the other folds and inf, which accepts nothing: there is no
    grid. Of thresholds with the same accuracy the highest is taken, the one that accepts fewest.

    Args:
        scores: (N,), higher for pairs that are more alike, any unit.
        same: (N,) bool, true where both ends of a pair are of one subject.
        folds: K, for K pieces as equal as can be in the order of the pairs, as the lists of LFW are written; or (N,)
            integers, the fold of each pair. Folds should share no subject.

    Returns:
        `FoldAccuracy`.

    Raises:
        ValueError: for shapes or types that do not fit, NaN, fewer than two folds, or more folds than pairs.

    Reference: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild: A Database for Studying Face Recognition
    in Unconstrained Environments", University of Massachusetts Technical Report 07-49, 2007, View 2.

    Example:
        >>> import torch
        >>> scores = torch.tensor([0.9, 0.1, 0.8, 0.2, 0.7, 0.3])
        >>> fold_accuracy(scores, torch.tensor([True, False, True, False, True, False]), folds=3).accuracies
        (1.0, 1.0, 0.5)
    """
    scores, same = scored_pairs(scores, same)
    warn_of_scores(scores, same, stacklevel=2)
    return accuracy_of_folds(scores, same, folds)


def accuracy_of_folds(scores: Tensor, same: Tensor, folds: int | Array) -> FoldAccuracy:
    """`fold_accuracy` of `scored_pairs`, without its warning."""
    place, count = _folds(folds, len(scores))
    place = place.to(scores.device)
    accuracies, thresholds = [], []
    for fold in range(count):
        held_out = place == fold
        threshold = best_threshold(scores[~held_out], same[~held_out])
        right = (scores[held_out].double() >= threshold) == same[held_out]
        accuracies.append(right.double().mean().item())
        thresholds.append(threshold)
    of_folds = torch.tensor(accuracies, dtype=torch.float64)
    error = of_folds.std(correction=1).item() / count**0.5
    return FoldAccuracy(of_folds.mean().item(), error, tuple(accuracies), tuple(thresholds))


def best_threshold(scores: Tensor, same: Tensor) -> float:
    """The highest threshold, a distinct score or inf, with the largest accuracy."""
    points = points_of(scores, same)
    right = points.genuine + (points.impostors[-1] - points.impostors)
    return points.threshold[right.argmax()].item()  # of equals argmax takes the first


def _folds(folds: int | Array, pairs: int) -> tuple[Tensor, int]:
    """The fold (N,) of each pair, 0..K-1, and K."""
    if not isinstance(folds, int):
        folds = as_tensor("folds", folds)
        check_integers("folds", folds, (pairs,), "the fold of each pair")
        distinct, place = torch.unique(folds, return_inverse=True)
        if len(distinct) < 2:
            raise ValueError(f"folds has {len(distinct)} fold, expected two or more, as one is held out")
        return place, len(distinct)
    if not 2 <= folds <= pairs:
        raise ValueError(f"folds is {folds}, expected 2 to {pairs}: two or more, and a pair in each")
    return torch.arange(pairs) * folds // pairs, folds
