import math
import warnings
from pathlib import Path

import torch
from torch import Tensor

from ._calibration import Calibration, calibrate
from ._decision import Decision, Normalisation, plain_scores, tensor_sha256
from ._files import file_sha256
from ._pairs import Similarity, check_same


def choose_decision(
    features: Tensor,
    pairs: Tensor,
    same: Tensor,
    far: float,
    *,
    similarity: Similarity = "cosine",
    normalisation: Normalisation = "none",
    top: int | None = None,
    cohort: Tensor | None = None,
    prior: float | None = None,
    model: Path | None = None,
) -> Decision:
    """Choose the threshold at a false accept rate, and keep what it is a threshold of.

    Choose it on other people than it is used or tested on.

    Args:
        features: (N, D), any floating dtype.
        pairs: (P, 2) integers, rows of features.
        same: (P,) bool, whether both are of one class.
        far: the false accept rate, in [0, 1).
        similarity: "cosine" or "euclidean".
        normalisation: "none", or "z", "t", "s" with a cohort.
        top: how many of the cohort; None for all.
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
    scores = plain_scores(features, pairs, similarity, normalisation, top, cohort)
    check_same(same, scores)
    calibration: Calibration | None = None
    if prior is not None:
        calibration = calibrate(scores, same, prior)
        if calibration.slope <= 0:
            raise ValueError(
                f"prior is {prior}, but the calibration has the slope {calibration.slope:.6g}: same pairs do not score "
                "higher than different ones; look at same and pairs"
            )
        scores = calibration.llr(scores)
    threshold = threshold_at_far(scores, same, far)
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


def threshold_at_far(scores: Tensor, same: Tensor, far: float) -> float:
    """The lowest threshold with a false accept rate of at most `far`: accept where score ≥ threshold.

    Of all thresholds that accept the same of these pairs it is the middle one, so that rounding moves no pair across.
    Where no pair scores higher than the one that must be refused, it stands just above that.

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
    check_same(same, scores)
    if not 0 <= far < 1:
        raise ValueError(f"far is {far}, expected a rate in [0, 1)")
    if bool(scores.isinf().any()):
        place = int(scores.isinf().nonzero()[0])
        raise ValueError(f"scores[{place}] is {scores[place].item()}, expected a finite number")
    values = scores.detach().to(torch.float64)
    different = values[~same].sort(descending=True).values
    number = len(different)
    if 0 < far < 1 / number:
        warnings.warn(
            f"far is {far:g}, but there are only {number} different pairs: the threshold refuses them all, and how "
            f"much lower than 1/{number} its rate is they cannot say",
            stacklevel=2,
        )
    allowed = math.floor(far * number)
    if (allowed + 1) / number <= far:  # far * number was rounded down across a whole number
        allowed += 1
    refused = different[min(allowed, number - 1)]
    higher = values[values > refused]
    above = math.nextafter(refused.item(), math.inf)
    if len(higher) == 0:
        return above
    middle = refused.item() + (higher.min() - refused).item() / 2
    return max(middle, above)
