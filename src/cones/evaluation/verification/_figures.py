"""The figures of verification: the results, and how each figure follows from the operating points.

To add a figure of the operating points: a field in `Verification` and in `VerificationIntervals` and a line in
`POINT_FIGURES` here, and its name and unit in `VERIFICATION` of `cones.evaluation.quantities`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..figure import Figure, Interval
from ..quantities import VERIFICATION
from ._points import OperatingPoints, area, equal_error_rate, place_at_far, place_of_crossing, place_of_equal_error
from ._settings import VerificationSettings


@dataclass(frozen=True)
class TarAtFar:
    """The operating point at a requested false accept rate; all but `far` are None where it is refused.

    Attributes:
        far: the requested rate.
        tar: the largest true accept rate whose false accept rate is at most `far`.
        frr: 1 - tar.
        reached: the false accept rate there, at most `far`.
        threshold: midway between the lowest score that is accepted there and the next lower one; inf where none is
            accepted, -inf where all are.
    """

    far: float
    tar: float | None = None
    frr: float | None = None
    reached: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Verification:
    """Result of `verification`; print it for a table. A pair is accepted when score >= threshold.

    Attributes:
        genuine: number of pairs of one subject.
        impostors: number of pairs of two subjects.
        tar: a `TarAtFar` for each requested rate, in that order.
        eer: equal error rate, where the straight lines between neighbouring points (FAR, FRR) cross FAR = FRR.
        eer_threshold: of the two points beside the crossing, the threshold with the smaller max(FAR, FRR).
        auc: P(genuine > impostor) + 1/2 P(genuine = impostor).
        min_dcf: least detection cost over all thresholds; 1 is the better of accepting nothing and all.
        min_dcf_threshold: the highest threshold with this cost.
        refused: why a figure is None, by its name: "eer", "auc", "min_dcf", "tar@0.001".
        auc_error: auc is right to this bound; 0 where every score was kept. All else is always exact.
        zero_rows: embeddings that are 0, whose cosine is 0 with everything; not compared by ==.
    """

    genuine: int
    impostors: int
    tar: tuple[TarAtFar, ...]
    eer: float | None = None
    eer_threshold: float | None = None
    auc: float | None = None
    min_dcf: float | None = None
    min_dcf_threshold: float | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    auc_error: float = 0.0
    zero_rows: int = field(default=0, compare=False)

    def as_figures(self, intervals: "VerificationIntervals | None" = None) -> list[Figure]:
        """The lines of the table of figures: TAR at each rate, then the others; None where one is refused."""
        at_rates = [None] * len(self.tar) if intervals is None else intervals.tar
        lines = [
            VERIFICATION["tar"].figure(
                at.tar, at.far, interval=interval, threshold=at.threshold, note=self.refused.get(rate_key(at.far), "")
            )
            for at, interval in zip(self.tar, at_rates, strict=True)
        ]
        for key in POINT_FIGURES:
            error = f"± {self.auc_error:.1g}" if key == "auc" and self.auc_error > 0 else ""
            line = VERIFICATION[key].figure(
                getattr(self, key),
                interval=getattr(intervals, key, None),
                threshold=getattr(self, threshold_key(key), None),
                note=self.refused.get(key, error),
            )
            lines.append(line)
        return lines

    def __str__(self) -> str:
        lines = [("genuine pairs", str(self.genuine)), ("impostor pairs", str(self.impostors))]
        lines += [(figure.name, _with_threshold(figure)) for figure in self.as_figures()]
        if self.zero_rows:
            lines.append(("zero rows", f"{self.zero_rows}, of cosine 0 with everything"))
        return "\n".join(f"{name:<18} {text}" for name, text in lines)


@dataclass(frozen=True)
class VerificationIntervals:
    """Result of `verification_intervals`; print it for a table.

    Attributes:
        confidence: the share of samples in which an interval should hold the true figure.
        resampled: "subjects", or "pairs" where the subjects are not known.
        resamples: number of resamples behind the intervals; those without one kind of pairs are left out.
        figures: the figures themselves, of all pairs.
        tar: an interval of TAR at each requested rate, None where the figure is refused or too many pairs decide it.
        eer, auc, min_dcf: an interval each, None as above.
    """

    confidence: float
    resampled: str
    resamples: int
    figures: Verification
    tar: tuple[Interval | None, ...]
    eer: Interval | None = None
    auc: Interval | None = None
    min_dcf: Interval | None = None

    def __str__(self) -> str:
        head = f"{100 * self.confidence:g} % intervals, {self.resamples} resamples of {self.resampled}"
        figures = self.figures.as_figures(self)
        return "\n".join([head, *(f"{figure.name:<18} {_with_interval(figure)}" for figure in figures)])


class PointFigure(NamedTuple):
    """A figure that follows from the operating points.

    Attributes:
        value: the figure.
        place: of the point whose threshold is reported; None for a figure without a threshold.
        decisive: (M + 1,) bool, the points that have to be exact for the figure and its threshold to be exact; None for
            a figure that counts of binned scores approximate.
    """

    value: Callable[[OperatingPoints, VerificationSettings], float]
    place: Callable[[OperatingPoints, VerificationSettings], int] | None = None
    decisive: Callable[[OperatingPoints, VerificationSettings], Tensor] | None = None


def verification_of(
    points: OperatingPoints, settings: VerificationSettings, auc_error: float = 0.0, zero_rows: int = 0
) -> Verification:
    """All figures of the points, or the reasons why they are refused."""
    genuine, impostors = int(points.genuine[-1]), int(points.impostors[-1])
    few = _few(genuine, impostors, settings.min_pairs)
    if few is not None:
        refused = dict.fromkeys([*map(rate_key, settings.far), *POINT_FIGURES], few)
        tar = tuple(TarAtFar(rate) for rate in settings.far)
        return Verification(genuine, impostors, tar, refused=refused, zero_rows=zero_rows)
    values = {key: figure.value(points, settings) for key, figure in POINT_FIGURES.items()}
    thresholds = {
        threshold_key(key): points.threshold_at(figure.place(points, settings))
        for key, figure in POINT_FIGURES.items()
        if figure.place is not None
    }
    return Verification(
        genuine=genuine,
        impostors=impostors,
        tar=tuple(_tar(points, rate) for rate in settings.far),
        refused={rate_key(rate): why for rate in settings.far if (why := too_low(rate, impostors)) is not None},
        auc_error=auc_error,
        zero_rows=zero_rows,
        **values,
        **thresholds,
    )


def detection_costs(far: Tensor, frr: Tensor, settings: VerificationSettings) -> Tensor:
    """Detection costs, over that of the better of accepting nothing and accepting all.

    DCF = (C_miss p FRR + C_fa (1 - p) FAR) / min(C_miss p, C_fa (1 - p))
    """
    miss, false_alarm = settings.costs[0] * settings.p_target, settings.costs[1] * (1 - settings.p_target)
    return (miss * frr + false_alarm * far) / min(miss, false_alarm)


def least_costs(points: OperatingPoints, settings: VerificationSettings) -> tuple[Tensor, Tensor]:
    """The least detection cost of all points, and a lower bound (M,) of it at any threshold between neighbours."""
    least = detection_costs(points.far, points.frr, settings).min()
    return least, detection_costs(points.far[:-1], points.frr[1:], settings)


def rate_key(far: float) -> str:
    """Key in `refused` of TAR at a rate."""
    return f"tar@{far:g}"


def threshold_key(key: str) -> str:
    """Field of `Verification` that holds the threshold of a figure."""
    return f"{key}_threshold"


def too_low(far: float, impostors: int) -> str | None:
    """Why a rate cannot be counted on this number of impostor pairs; None where it can."""
    if far >= 1 / impostors:
        return None
    return f"{impostors} impostor pairs count rates of {1 / impostors:.3g} at the least"


def _around_the_crossing(points: OperatingPoints, settings: VerificationSettings) -> Tensor:
    """The points on both sides of FAR = FRR and the next one: a threshold is midway between two scores."""
    crossing = place_of_crossing(points)
    decisive = torch.zeros_like(points.genuine, dtype=torch.bool)
    decisive[crossing - 1 : crossing + 2] = True
    return decisive


def _where_cost_may_be_least(points: OperatingPoints, settings: VerificationSettings) -> Tensor:
    """The bins that could hold a cost below the least known one, were all their impostors below all their genuine."""
    least, bounds = least_costs(points, settings)
    decisive = torch.zeros_like(points.genuine, dtype=torch.bool)
    decisive[1:] = bounds <= least
    return decisive


POINT_FIGURES: dict[str, PointFigure] = {
    "eer": PointFigure(
        lambda points, settings: equal_error_rate(points),
        lambda points, settings: place_of_equal_error(points),
        _around_the_crossing,
    ),
    "auc": PointFigure(lambda points, settings: area(points)),
    "min_dcf": PointFigure(
        lambda points, settings: detection_costs(points.far, points.frr, settings).min().item(),
        lambda points, settings: int(detection_costs(points.far, points.frr, settings).argmin()),
        _where_cost_may_be_least,
    ),
}
"""By the field of `Verification` and `VerificationIntervals`; a threshold is in the field with `_threshold` behind."""


def _few(genuine: int, impostors: int, min_pairs: int) -> str | None:
    for count, kind in (genuine, "genuine"), (impostors, "impostor"):
        if count < min_pairs:
            return f"{count} {kind} pairs are too few, at least {min_pairs} are needed"
    return None


def _tar(points: OperatingPoints, far: float) -> TarAtFar:
    if too_low(far, int(points.impostors[-1])) is not None:
        return TarAtFar(far)
    place = place_at_far(points, far)
    tar, frr, reached = (values[place].item() for values in (points.tar, points.frr, points.far))
    return TarAtFar(far, tar, frr, reached, points.threshold_at(place))


def _with_threshold(figure: Figure) -> str:
    if figure.value is None:
        return f"{figure.value_text}: {figure.note}"
    return figure.value_text if figure.threshold is None else f"{figure.value_text} at threshold {figure.threshold:.6g}"


def _with_interval(figure: Figure) -> str:
    if figure.value is None:
        return f"{figure.value_text}: {figure.note}"
    if figure.interval is None:
        return f"{figure.value_text}, without an interval: too many pairs decide it"
    return f"{figure.value_text} in {figure.interval_text}"
