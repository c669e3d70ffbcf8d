from dataclasses import dataclass

import torch
from torch import Tensor

from .._arrays import Array
from .._checks import scored_pairs_of_both_kinds
from ._distances import warn_of_distances
from ._points import points_of


@dataclass(frozen=True, repr=False)
class Roc:
    """Result of `roc`; P points, from accepting nothing to accepting everything.

    Attributes:
        threshold: (P,) float64, falling: inf, and then each distinct score, the lowest that the point accepts.
        far: (P,) float64, false accept rate, 0 to 1.
        tar: (P,) float64, true accept rate, 0 to 1.
    """

    threshold: Tensor
    far: Tensor
    tar: Tensor

    def __repr__(self) -> str:
        return f"Roc({len(self.far)} operating points)"

    def det(self) -> tuple[Tensor, Tensor]:
        """The detection error trade-off: FAR and FRR (P,) on the scale of normal deviates, ±inf at rates 1 and 0."""
        return torch.special.ndtri(self.far), torch.special.ndtri(1 - self.tar)

    def corners(self) -> "Roc":
        """The same curve for drawing: without the points on a straight line along an axis between two others."""
        flat_far = (self.far[1:-1] == self.far[:-2]) & (self.far[1:-1] == self.far[2:])
        flat_tar = (self.tar[1:-1] == self.tar[:-2]) & (self.tar[1:-1] == self.tar[2:])
        end = torch.ones(1, dtype=torch.bool, device=self.far.device)
        keep = torch.cat([end, ~(flat_far | flat_tar), end])
        return Roc(self.threshold[keep], self.far[keep], self.tar[keep])


def roc(scores: Array, same: Array) -> Roc:
    """The ROC curve with a point at every distinct score.

        FAR(t) = #{impostors >= t} / #impostors,   TAR(t) = #{genuine >= t} / #genuine

    Args:
        scores: (N,), higher for pairs that are more alike, any unit.
        same: (N,) bool, true where both ends of a pair are of one subject.

    Returns:
        `Roc` with P = 1 + the number of distinct scores points.

    Raises:
        ValueError: for shapes or types that do not fit, NaN, or when one kind of pairs is missing.

    Reference: Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006, algorithm 1; Martin
    et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.

    Example:
        >>> import torch
        >>> curve = roc(torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([True, True, False, False]))
        >>> curve.far.tolist(), curve.tar.tolist()
        ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    scores, same = scored_pairs_of_both_kinds(scores, same)
    points = points_of(scores, same)
    warn_of_distances(points, stacklevel=2)
    return Roc(points.threshold, points.far, points.tar)
