import math
from dataclasses import dataclass

from ..common.checks import check_count, check_probability
from ._advice import advice_on
from ._rows import Bound, rows_of
from ._rule import start


@dataclass(frozen=True)
class Suggestion:
    """Scale and margins to start with, and why; `print` shows them as a table.

    Attributes:
        num_classes: K.
        dim: D.
        probability: P that the scale is to reach.
        rows: the papers' bounds.
        scale: s for losses on unit features and unit class weights.
        cosface_margin: m subtracted from the cosine.
        arcface_margin: m added to the angle, in radians.
        advice: which bounds to believe where they disagree, and how scale and margins follow.
    """

    num_classes: int
    dim: int
    probability: float
    rows: tuple[Bound, ...]
    scale: float
    cosface_margin: float
    arcface_margin: float
    advice: str

    def __str__(self) -> str:
        table = [("bound", "value", "source", "assumes")]
        table += [(row.name, f"{row.value:.4g}", f"{row.paper}, {row.equation}", row.assumes) for row in self.rows]
        first, second, third = (max(len(line[column]) for line in table) for column in range(3))
        degrees = math.degrees(self.arcface_margin)
        return "\n".join(
            [
                f"{self.num_classes:,} classes in {self.dim:,} dims, probability P = {self.probability:g}",
                "",
                *(f"{line[0]:<{first}}  {line[1]:>{second}}  {line[2]:<{third}}  {line[3]}" for line in table),
                "",
                f"Use scale {self.scale:g}; CosFace margin {self.cosface_margin:g}; ArcFace margin "
                f"{self.arcface_margin:g} radians, {degrees:.3g} degrees.",
                "",
                self.advice,
            ]
        )


def suggest(num_classes: int, dim: int, probability: float = 0.9) -> Suggestion:
    """Scale and margins to start with, for losses on unit features and unit class weights.

        cosface_margin = min(1 - cos(phi), 1) / 3,   arcface_margin = min(phi, pi / 2) / 3
        scale = max(log(n P / (1 - P)) / (1 - cos(phi)),  log((K - 1) P / (1 - P)) / cos(pi / 4 + arcface_margin))

    phi is how far apart K directions in D dims can stand, n = min(K - 1, 2 (D - 1)) how many then stand nearest to
    one of them. A third of the largest margin leaves a class two thirds of its cell. The first scale lets class
    directions reach P among their nearest neighbours; the second lets features at AdaCos's 45 degrees reach it with
    the margin on, all other classes at right angles. Scales are rounded up and end where they would saturate, at
    10 log(9 (K - 1)); margins are rounded to two digits.

    Args:
        num_classes: K, at least 2.
        dim: D of the features, at least 2.
        probability: P, in (0, 1).

    Returns:
        a Suggestion.

    Raises:
        ValueError: an argument is out of its range.

    Source: `cones.bounds` for the papers' bounds, eqs. 6 and 7 of CosFace above all; the rule is this package's own.

    Example:
        >>> in_the_plane = suggest(num_classes=10, dim=2)
        >>> in_the_plane.scale, in_the_plane.cosface_margin, in_the_plane.arcface_margin
        (16.0, 0.064, 0.21)
        >>> faces = suggest(num_classes=10_000, dim=512)
        >>> faces.scale, faces.cosface_margin, faces.arcface_margin
        (45.0, 0.33, 0.52)
    """
    check_count("num_classes", num_classes, 2, "a single class is always right")
    check_count("dim", dim, 2, "on a line there are only two directions")
    check_probability("probability", probability)
    scale, cosface_margin, arcface_margin = start(num_classes, dim, probability)
    return Suggestion(
        num_classes=num_classes,
        dim=dim,
        probability=probability,
        rows=rows_of(num_classes, dim, probability, scale),
        scale=scale,
        cosface_margin=cosface_margin,
        arcface_margin=arcface_margin,
        advice=advice_on(num_classes, dim, probability),
    )
