import math
import os
import warnings

import torch
from torch import Tensor

from .._arrays import Array, as_features, as_tensor, strangers_apart
from .._checks import check_bounded, check_other_rows, labelled_rows, scored_pairs_of_both_kinds
from ..similarity import Similarity, between
from ..verification import (
    VerificationSettings,
    place_at_far,
    points_of_tiles,
    tiles_of,
    warn_of_scores,
)
from ._calibration import Calibration, calibrate
from ._decision import Decision, Normalisation, plain_scores, tensor_sha256
from ._files import file_sha256


def choose_decision(
    features: Array,
    pairs: Array,
    same: Array,
    far: float,
    *,
    similarity: Similarity = "cosine",
    normalisation: Normalisation = "none",
    top: int | None = None,
    cohort: Array | None = None,
    prior: float | None = None,
    model: str | os.PathLike[str] | None = None,
) -> Decision:
    """Choose the threshold at a false accept rate, and keep the definition of its score.

    Choose it on other people than those it is used or tested on.

    Args:
        features: (N, D), any floating dtype.
        pairs: (P, 2) integers, two different rows of features.
        same: (P,) bool, whether both are of one class.
        far: the false accept rate, in [0, 1).
        similarity: "cosine" or "euclidean".
        normalisation: "none", or "z", "t", "s" with a cohort.
        top: number of the cohort's scores used; None for all.
        cohort: (C, D) embeddings of other people.
        prior: calibrate to log-likelihood ratios for this prior (see `calibrate`); None for no calibration.
        model: the file of the model that the features are of; its checksum is stored.

    Returns:
        `Decision`; `write_decision` stores it.

    Raises:
        ValueError: wrong shapes, pairs of one kind only, settings out of their range or that do not fit together.
        OSError: the model's file cannot be read.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        >>> pairs, same = torch.tensor([[0, 1], [0, 2], [1, 2]]), torch.tensor([True, False, False])
        >>> d = choose_decision(x, pairs, same, far=0.0)  # cosines 0.8 | 0, 0.6
        >>> round(d.threshold, 6), d.accept(x, pairs)
        (0.7, tensor([ True, False, False]))
    """
    features, pairs = as_features("features", features), as_tensor("pairs", pairs)
    cohort = None if cohort is None else as_features("cohort", cohort)
    scores = plain_scores(features, pairs, similarity, normalisation, top, cohort)
    scores, same = scored_pairs_of_both_kinds(scores, same)
    check_other_rows("pairs", pairs)
    calibration: Calibration | None = None
    if prior is not None:
        calibration = calibrate(scores, same, prior)
        if calibration.slope <= 0:
            raise ValueError(
                f"prior is {prior}, but the calibration has the slope {calibration.slope:.6g}: same pairs do not score "
                "higher than different ones; look at same and pairs"
            )
        scores = calibration.llr(scores)
    threshold = _threshold_at_far(scores, same, far, stacklevel=3)
    accepted = scores >= threshold
    return Decision(
        threshold=threshold,
        far=float(far),
        measured_far=accepted[~same].to(torch.float64).mean().item(),
        measured_tar=accepted[same].to(torch.float64).mean().item(),
        same_pairs=int(same.sum()),
        different_pairs=int((~same).sum()),
        similarity=similarity,
        normalisation=normalisation,
        top=top,
        calibration=calibration,
        cohort_sha256=None if cohort is None else tensor_sha256(cohort),
        model_sha256=None if model is None else file_sha256(model),
    )


def decision_of_all_pairs(
    embeddings: Array,
    labels: Array,
    far: float,
    *,
    similarity: Similarity = "cosine",
    model: str | os.PathLike[str] | None = None,
) -> Decision:
    """Choose the threshold at a false accept rate on all pairs of labelled embeddings, in bounded memory.

    Threshold and rates are those of `verification_of_all_pairs`. Choose it on other people than it is used on.

    Args:
        embeddings: (N, D), any floating dtype.
        labels: (N,) integers or text, the subject of each row; -1 for one that is not known.
        far: the false accept rate, in [0, 1).
        similarity: "cosine" or "euclidean".
        model: the file of the model that the embeddings are of; its checksum is stored.

    Returns:
        `Decision`.

    Raises:
        ValueError: wrong shapes, pairs of one kind only, or far out of its range.
        OSError: the model's file cannot be read.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
        >>> d = decision_of_all_pairs(x, ["ann", "ann", "bob", "bob"], far=0.25)
        >>> round(d.threshold, 6), d.measured_far, d.measured_tar
        (0.3, 0.25, 1.0)
    """
    rows, numbers, _ = labelled_rows(embeddings, labels)
    _check_far(far)
    settings = VerificationSettings((far,), 0.01, (1.0, 1.0), 1)
    points, _ = points_of_tiles(tiles_of(rows, strangers_apart(numbers), similarity, 1024), settings)
    genuine, impostors = int(points.genuine[-1]), int(points.impostors[-1])
    if genuine == 0 or impostors == 0:
        raise ValueError(
            f"labels makes {genuine} genuine and {impostors} impostor pairs, expected both kinds: two rows of one "
            "subject, and two subjects"
        )
    _warn_of_few(far, impostors, stacklevel=2)
    place = place_at_far(points, far)
    threshold = points.threshold_at(place)
    return Decision(
        threshold=threshold if place else math.nextafter(points.threshold[1].item(), math.inf),
        far=float(far),
        measured_far=points.far[place].item(),
        measured_tar=points.tar[place].item(),
        same_pairs=genuine,
        different_pairs=impostors,
        similarity=similarity,
        model_sha256=None if model is None else file_sha256(model),
    )


def threshold_at_far(scores: Array, same: Array, far: float) -> float:
    """The lowest threshold with a false accept rate of at most `far`: accept where score ≥ threshold.

    Of all thresholds that accept the same of these pairs it is the middle one, so that rounding moves no pair across.
    Where no pair scores higher than the one that must be refused, it is just above that score.

    Args:
        scores: (P,) finite numbers, larger for pairs more alike.
        same: (P,) bool.
        far: the false accept rate, in [0, 1).

    Returns:
        The threshold, in units of the scores.

    Raises:
        ValueError: wrong shapes, scores that are not finite, pairs of one kind only, or far out of its range.

    Example:
        >>> scores = torch.tensor([0.9, 0.8, 0.7, 0.5, 0.1])
        >>> same = torch.tensor([True, True, False, False, False])
        >>> round(threshold_at_far(scores, same, far=0.0), 6), round(threshold_at_far(scores, same, far=0.5), 6)
        (0.75, 0.6)
    """
    scores, same = scored_pairs_of_both_kinds(scores, same)
    return _threshold_at_far(scores, same, far, stacklevel=3)


def _threshold_at_far(scores: Tensor, same: Tensor, far: float, stacklevel: int) -> float:
    _check_far(far)
    warn_of_scores(scores, same, stacklevel)
    check_bounded(scores)
    values = scores.detach().to(torch.float64)
    different = values[~same].sort(descending=True).values
    number = len(different)
    _warn_of_few(far, number, stacklevel)
    allowed = math.floor(far * number)
    if (allowed + 1) / number <= far:  # far * number was rounded down across a whole number
        allowed += 1
    refused = different[min(allowed, number - 1)]
    higher = values[values > refused]
    if len(higher) == 0:
        return math.nextafter(refused.item(), math.inf)
    return between(higher.min().item(), refused.item())


def _check_far(far: float) -> None:
    if not 0 <= far < 1:
        raise ValueError(f"far is {far}, expected a rate in [0, 1)")


def _warn_of_few(far: float, impostors: int, stacklevel: int) -> None:
    if 0 < far < 1 / impostors:
        warnings.warn(
            f"far is {far:g}, but there are only {impostors} different pairs: the threshold refuses them all, and "
            f"its rate below 1/{impostors} cannot be measured",
            stacklevel=stacklevel + 1,
        )
