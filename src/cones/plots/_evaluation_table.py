"""The figures of an evaluation as text: what each is, its interval, its threshold, or why there is none."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..evaluation import (
    Evaluation,
    FoldAccuracy,
    Geometry,
    Identification,
    Retrieval,
    Verification,
    VerificationIntervals,
)
from ._text import degrees, number, percent
from .identification import NO_MATE

NOT_AVAILABLE = "n/a"

Interval = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line of the table; a figure that is refused has a reason in place of its interval and threshold."""

    name: str
    value: str
    interval: str = ""
    threshold: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Group:
    """Lines that belong together, under a heading and a note of what they rest on."""

    heading: str
    note: str
    lines: tuple[Line, ...]


def figure_groups(evaluation: Evaluation) -> list[Group]:
    """All figures of an evaluation; what was not asked for is left out."""
    groups = [_group_verification(evaluation.verification, evaluation.intervals, evaluation.folds)]
    if evaluation.identification is not None:
        groups.append(_group_identification(evaluation.identification))
    if evaluation.retrieval is not None:
        groups.append(_group_retrieval(evaluation.retrieval))
    if evaluation.geometry is not None:
        groups.append(_group_geometry(evaluation.geometry))
    return groups


def _group_verification(
    verification: Verification, intervals: VerificationIntervals | None, folds: FoldAccuracy | None
) -> Group:
    note = f"{verification.genuine:,} genuine and {verification.impostors:,} impostor pairs"
    if intervals is not None and intervals.resamples > 0:
        note += (
            f"; {100 * intervals.confidence:g} % intervals from {intervals.resamples:,} resamples "
            f"of {intervals.resampled}"
        )
    lines = list(_verification_lines(verification, intervals))
    if folds is not None:
        spread = f"standard error {percent(folds.standard_error)}"
        lines.append(Line(f"accuracy, {len(folds.accuracies)} folds", percent(folds.mean), spread))
    return Group("Verification", note, tuple(lines))


def _verification_lines(verification: Verification, intervals: VerificationIntervals | None) -> Iterator[Line]:
    refused = verification.refused
    eer, auc, cost = verification.eer, verification.auc, verification.min_dcf
    eer_range = None if intervals is None else intervals.eer
    auc_range = None if intervals is None else intervals.auc
    cost_range = None if intervals is None else intervals.min_dcf
    for place, at in enumerate(verification.tar):
        name = f"TAR at FAR {at.far:g}"
        if at.tar is None:
            yield Line(name, NOT_AVAILABLE, reason=refused[f"tar@{at.far:g}"])
        else:
            interval = None if intervals is None else intervals.tar[place]
            yield Line(name, percent(at.tar), _percents(interval), _score(at.threshold))
    if eer is None:
        yield Line("EER", NOT_AVAILABLE, reason=refused["eer"])
    else:
        yield Line("EER", percent(eer), _percents(eer_range), _score(verification.eer_threshold))
    if auc is None:
        yield Line("AUC", NOT_AVAILABLE, reason=refused["auc"])
    else:
        bound = f" ± {verification.auc_error:.1g}" if verification.auc_error > 0 else ""
        yield Line("AUC", f"{auc:.6f}{bound}", _numbers(auc_range))
    if cost is None:
        yield Line("minDCF", NOT_AVAILABLE, reason=refused["min_dcf"])
    else:
        yield Line("minDCF", f"{cost:.4f}", _numbers(cost_range), _score(verification.min_dcf_threshold))


def _group_identification(found: Identification) -> Group:
    note = (
        f"{found.subjects:,} subjects in the gallery, {found.mated:,} probes with a mate there and "
        f"{found.non_mated:,} without"
    )
    note += _resampled(found.confidence, found.rank_1_interval, *(at.interval for at in found.open_set))
    return Group("Identification", note, tuple(_identification_lines(found)))


def _identification_lines(found: Identification) -> Iterator[Line]:
    if found.cmc is None:
        yield Line("rank 1", NOT_AVAILABLE, reason=NO_MATE)
    else:
        last = len(found.cmc)
        for rank in sorted({1, min(5, last), last}):
            interval = found.rank_1_interval if rank == 1 else None
            yield Line(f"rank {rank}", percent(found.cmc[rank - 1]), _percents(interval))
    for at in found.open_set:
        name = f"DIR at FAR {at.far:g}"
        if at.dir is None:
            yield Line(name, NOT_AVAILABLE, reason=at.reason or "")
        else:
            yield Line(name, percent(at.dir), _percents(at.interval), _score(at.threshold))


def _group_retrieval(found: Retrieval) -> Group:
    note = f"{found.queries:,} queries of {found.classes:,} subjects"
    note += _resampled(found.confidence, found.recall_interval)
    lines = []
    for place, (k, value) in enumerate(zip(found.recall_at, found.recall, strict=True)):
        lines.append(Line(f"R@{k}", percent(value), _percents(found.recall_interval if place == 0 else None)))
    lines.append(Line("R-precision", percent(found.r_precision)))
    lines.append(Line("MAP@R", percent(found.map_at_r), _percents(found.map_at_r_interval)))
    for name, information in (("NMI", found.nmi), ("AMI", found.ami)):
        if information is not None:
            lines.append(Line(name, f"{information:.4f}"))
    return Group("Retrieval", note, tuple(lines))


def _group_geometry(found: Geometry) -> Group:
    lines = (
        Line("mean angle within subjects", degrees(found.mean_intra_angle)),
        Line("mean angle between subjects", degrees(found.mean_inter_angle)),
        Line("min angle between subjects", degrees(found.min_inter_angle)),
        Line("Fisher ratio", number(found.fisher_ratio)),
        Line("angular Fisher score", number(found.angular_fisher_score)),
        Line("mean norm", number(found.mean_norm)),
    )
    return Group("Geometry", "angles to, and between, the mean directions of the subjects", lines)


def _resampled(confidence: float, *intervals: Interval | None) -> str:
    """What the intervals are, where there are any."""
    if all(interval is None for interval in intervals):
        return ""
    return f"; {100 * confidence:g} % intervals from resamples of subjects"


def _percents(interval: Interval | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.2f} – {percent(interval[1])}"


def _numbers(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} – {interval[1]:.4f}"


def _score(threshold: float | None) -> str:
    """A threshold as it may be put to use: with six digits, or in words where it is not finite."""
    if threshold is None:
        return ""
    if math.isinf(threshold):
        return "accepts none" if threshold > 0 else "accepts all"
    return f"{threshold:.6g}".replace("-", "−")
