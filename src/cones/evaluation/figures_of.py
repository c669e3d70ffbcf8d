"""The figures of each task as lines of one table."""

import math

from ._bootstrap import Interval
from .embedding_space.geometry import Geometry
from .figure import Figure, Unit, percent
from .search._identification import Identification
from .search._retrieval import Retrieval
from .verification import FoldAccuracy, Verification, VerificationIntervals

NO_MATE = "no probe has a mate in the gallery"
RANKS = (1, 5, 10)


def of_verification(found: Verification, intervals: VerificationIntervals | None) -> list[Figure]:
    """TAR at each rate, EER, AUC and minDCF."""
    lines: list[tuple[str, str, float | None, Unit, Interval | None, float | None]] = []
    for place, at in enumerate(found.tar):
        interval = None if intervals is None else intervals.tar[place]
        lines.append((f"TAR at FAR {at.far:g}", f"tar@{at.far:g}", at.tar, "share", interval, at.threshold))
    eer, auc, cost = (None, None, None) if intervals is None else (intervals.eer, intervals.auc, intervals.min_dcf)
    lines.append(("EER", "eer", found.eer, "share", eer, found.eer_threshold))
    lines.append(("AUC", "auc", found.auc, "", auc, None))
    lines.append(("minDCF", "min_dcf", found.min_dcf, "", cost, found.min_dcf_threshold))
    return [
        Figure("verification", name, value, unit, interval, threshold, _note(found, key, value))
        for name, key, value, unit, interval, threshold in lines
    ]


def of_folds(found: FoldAccuracy) -> list[Figure]:
    """The accuracy by folds."""
    name, note = f"accuracy, {len(found.accuracies)} folds", f"standard error {percent(found.standard_error)}"
    return [Figure("verification", name, found.mean, "share", note=note)]


def of_identification(found: Identification) -> list[Figure]:
    """Ranks, and DIR at each rate."""
    task, lines = "identification", []
    for rank in RANKS:
        if found.cmc is None:
            lines.append(Figure(task, f"rank {rank}", None, "share", note=NO_MATE))
        elif rank <= len(found.cmc):
            interval = found.rank_1_interval if rank == 1 else None
            lines.append(Figure(task, f"rank {rank}", found.cmc[rank - 1], "share", interval))
    for at in found.open_set:
        note = at.reason or ""
        lines.append(Figure(task, f"DIR at FAR {at.far:g}", at.dir, "share", at.interval, at.threshold, note))
    return lines


def of_retrieval(found: Retrieval) -> list[Figure]:
    """Recall at each k, R-precision, MAP@R and what clusters and classes share."""
    task = "retrieval"
    lines = [
        Figure(task, f"R@{k}", value, "share", found.recall_interval if place == 0 else None)
        for place, (k, value) in enumerate(zip(found.recall_at, found.recall, strict=True))
    ]
    lines.append(Figure(task, "R-precision", found.r_precision, "share"))
    lines.append(Figure(task, "MAP@R", found.map_at_r, "share", found.map_at_r_interval))
    for name, value in (("NMI", found.nmi), ("AMI", found.ami)):
        lines.append(Figure(task, name, value, note="too many rows and classes to cluster" if value is None else ""))
    return lines


def of_geometry(found: Geometry) -> list[Figure]:
    """Angles in degrees, ratios and norms."""
    task = "geometry"
    return [
        Figure(task, "mean angle within subjects", math.degrees(found.mean_intra_angle), "degrees", note="to the mean"),
        Figure(task, "mean angle between subjects", math.degrees(found.mean_inter_angle), "degrees", note="of means"),
        Figure(task, "min angle between subjects", math.degrees(found.min_inter_angle), "degrees", note="of means"),
        Figure(task, "Fisher ratio", found.fisher_ratio, note="between over within"),
        Figure(task, "angular Fisher score", found.angular_fisher_score, note="within over between"),
        Figure(task, "mean norm", found.mean_norm),
    ]


def _note(found: Verification, key: str, value: float | None) -> str:
    if value is None:
        return found.refused[key]
    return f"± {found.auc_error:.1g}" if key == "auc" and found.auc_error > 0 else ""
