"""Scores that seem to be distances: impostor pairs score higher than genuine ones."""

import math
import warnings

from torch import Tensor

from ._points import OperatingPoints, area, points_of

FAR_BELOW = 0.4
"""An AUC below this, and three standard errors below 1/2, is no accident."""


def warn_of_distances(points: OperatingPoints, stacklevel: int) -> None:
    """Warn that scores may be distances where the AUC is far below 1/2; nothing is changed."""
    genuine, impostors = int(points.genuine[-1]), int(points.impostors[-1])
    if genuine == 0 or impostors == 0:
        return
    auc = area(points)
    # standard error of the AUC of uninformative scores: Mann and Whitney 1947
    error = math.sqrt((genuine + impostors + 1) / (12 * genuine * impostors))
    if auc < min(FAR_BELOW, 0.5 - 3 * error):
        warnings.warn(
            f"the AUC is {auc:.4g} over {genuine:,} genuine and {impostors:,} impostor pairs, far below 0.5: are these "
            "distances? A score must be larger for pairs that are more alike: pass -distances; else look at the labels",
            stacklevel=stacklevel + 1,
        )


def warn_of_scores(scores: Tensor, same: Tensor, stacklevel: int) -> None:
    """`warn_of_distances` from scores (N,) and same (N,)."""
    warn_of_distances(points_of(scores, same), stacklevel + 1)
