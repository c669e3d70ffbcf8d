"""Who is it, and is it anybody we know: closed-set and open-set identification."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cones.common.unit_vectors import direction
from cones.evaluation._arrays import Array, as_features, as_labels_alike, strangers_apart
from cones.evaluation._bootstrap import Bootstrap, Interval, weighted_mean
from cones.evaluation._table import share, table
from cones.evaluation.progress import Progress, silent
from cones.evaluation.search._mates import best_scores
from cones.evaluation.search.scores import BLOCK, Score, check_features, check_labels, score_named
from cones.evaluation.verification._points import between

SUBJECTS = ("set", "template")


@dataclass(frozen=True)
class OpenSet:
    """Detection and identification at one false alarm rate.

    Attributes:
        far: the rate that was asked for, in 0..1.
        dir: share of the mated probes whose own subject is found first, with a score of at least `threshold`.
        threshold: midway between the lowest score that is accepted where no more than `far` of the probes without a
            mate raise an alarm, and the highest that is not; -inf where all may.
        reached: the share of them that does.
        interval: of `dir`; None without resampling or with too few subjects.
        reason: why the other figures are None.
    """

    far: float
    dir: float | None = None
    threshold: float | None = None
    reached: float | None = None
    interval: Interval | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Identification:
    """The numbers that `identification` returns.

    Attributes:
        cmc: share of the mated probes whose own subject is among the first 1, 2, ... r; None without mated probes.
        rank_1_interval: of `cmc[0]`; None without resampling or with fewer than two mated subjects.
        open_set: the open-set figures, one for each false alarm rate.
        subjects: in the gallery.
        mated: probes with a mate in the gallery.
        non_mated: probes without.
        confidence: of the intervals.
    """

    cmc: tuple[float, ...] | None
    rank_1_interval: Interval | None
    open_set: tuple[OpenSet, ...]
    subjects: int
    mated: int
    non_mated: int
    confidence: float

    def __str__(self) -> str:
        head = f"{self.subjects} subjects in the gallery, {self.mated} probes with a mate, {self.non_mated} without"
        interval = f"{100 * self.confidence:g}% interval"
        closed = [("rank", "identified", interval)]
        if self.cmc is None:
            closed.append(("1", "n/a: no probe has a mate in the gallery", ""))
        for rank, value in enumerate(self.cmc or (), start=1):
            closed.append((str(rank), share(value), share(self.rank_1_interval) if rank == 1 else ""))
        opened = [("FAR", "DIR", interval, "threshold", "FAR reached")]
        for at in self.open_set:
            if at.dir is None or at.threshold is None or at.reached is None:
                opened.append((f"{at.far:g}", f"n/a: {at.reason}", "", "", ""))
            else:
                reached = f"{at.reached:.4g}"
                opened.append((f"{at.far:g}", share(at.dir), share(at.interval), f"{at.threshold:.6f}", reached))
        return "\n\n".join([head, table(closed), table(opened)] if self.open_set else [head, table(closed)])


def identification(
    gallery: Array,
    gallery_labels: Array,
    probes: Array,
    probe_labels: Array,
    *,
    ranks: int = 10,
    far: tuple[float, ...] = (0.001, 0.01, 0.1),
    subjects: str = "set",
    similarity: str = "cosine",
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    block: int = BLOCK,
    progress: Progress = silent,
) -> Identification:
    """Closed-set CMC, and open-set DIR at fixed false alarm rates.

        CMC(r)  = #{mated p : rank(p) ≤ r} / #mated
        FAR(τ)  = #{non-mated p : max_j s(p, j) ≥ τ} / #non-mated
        DIR(τ)  = #{mated p : rank(p) = 1, s(p, own) ≥ τ} / #mated

    s(p, j) is the score of probe p with subject j of the gallery. The rank is 1 plus the number of other subjects with
    the same score as the own one or a larger: a tie counts as a miss. τ is the lowest threshold with FAR(τ) ≤ far,
    found among the best scores of all non-mated probes, without a grid, and reported midway between the two scores
    beside it. The scores are those of `pair_scores`, to the last bit. A rate below 1/#non-mated cannot be
    measured; its figures are None, with the reason.

    Args:
        gallery: (M, D), several rows a subject allowed, any floating dtype.
        gallery_labels: (M,) integers or text; -1 for a subject that is not known, and no probe's mate.
        probes: (P, D).
        probe_labels: (P,) integers or text; those that the gallery lacks are the non-mated, and so is -1.
        ranks: r of the CMC, cut at the number of subjects.
        far: false alarm rates, in (0, 1].
        subjects: "set": s is the largest score over the subject's rows; "template": with the mean of his unit vectors
            (cosine only).
        similarity: "cosine" or "euclidean", see `top_k`.
        resamples: of the bootstrap over subjects (the gallery stays as it is); 0 for no intervals.
        confidence: of the percentile intervals.
        seed: of the resampling.
        block: about how many float64 numbers are held at once, beside a sorted copy of the gallery; a subject's rows
            stay together.
        progress: is told of the probes that are done.

    Returns:
        `Identification`; `print` shows it as tables.

    Raises:
        ValueError: shapes that do not fit, rows that are not finite, no gallery, settings out of their range.

    Reference: P. J. Phillips, P. Grother, R. Micheals, "Evaluation Methods in Face Recognition", Handbook of Face
        Recognition, Springer 2011 (the chapter itself was not at hand; how it counts ties was not checked).

    Example:
        >>> gallery, probes = torch.eye(3), torch.tensor([[9.0, 1.0, 0.0], [1.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
        >>> found = identification(gallery, torch.tensor([0, 1, 2]), probes, torch.tensor([0, 0, 7]), far=(1.0, 0.5))
        >>> found.cmc, found.open_set[0].dir, found.open_set[1].reason
        ((0.5, 1.0, 1.0), 0.5, 'FAR 0.5 is below 1/1, one alarm of the probes without a mate')
    """
    gallery, probes = as_features("gallery", gallery), as_features("probes", probes)
    labels_of, _ = as_labels_alike({"gallery_labels": gallery_labels, "probe_labels": probe_labels})
    _check(gallery, labels_of[0], probes, labels_of[1], ranks, far, subjects, similarity)
    gallery_labels = strangers_apart(labels_of[0], "gallery_labels")
    probe_labels = strangers_apart(labels_of[1], "probe_labels", first=len(gallery))
    bootstrap = Bootstrap(resamples, confidence, seed)
    names, classes = gallery_labels.to(gallery.device).long().unique(return_inverse=True)
    order = classes.argsort(stable=True)
    enrolled, classes = gallery[order], classes[order]
    if subjects == "template":
        enrolled, classes = _templates(enrolled, classes, len(names), block), torch.arange(len(names)).to(classes)
    labels = probe_labels.to(probes.device).long()
    place = torch.searchsorted(names, labels).clamp_max(len(names) - 1)
    mated = names[place] == labels
    most = min(ranks, len(names))
    measure = score_named(similarity, enrolled, probes)
    found = _search(measure, enrolled, classes, probes, place.where(mated, -1), labels, most, block, progress)
    rank, count = found.rank[mated], int(mated.sum())
    return Identification(
        cmc=tuple(int((rank <= r).sum()) / count for r in range(1, most + 1)) if count else None,
        rank_1_interval=bootstrap.interval(lambda times: weighted_mean(rank == 1, times), labels[mated]),
        open_set=tuple(_open_set(rate, found, measure, bootstrap) for rate in far),
        subjects=len(names),
        mated=count,
        non_mated=len(probes) - count,
        confidence=confidence,
    )


@dataclass(frozen=True)
class _Found:
    """What the gallery says about each of P probes.

    Attributes:
        mated: (P,) whether the probe's subject is in the gallery.
        own: (P,) score with the own subject; -inf without a mate.
        rank: (P,) of the own subject, right up to the last rank that is asked for.
        rival: (P,) best score with another subject; -inf if there is none.
        subjects: (P,) labels.
    """

    mated: Tensor
    own: Tensor
    rank: Tensor
    rival: Tensor
    subjects: Tensor


def _search(
    measure: Score,
    enrolled: Tensor,
    classes: Tensor,
    probes: Tensor,
    probe_classes: Tensor,
    labels: Tensor,
    most: int,
    block: int,
    progress: Progress,
) -> _Found:
    own = torch.empty(len(probes), dtype=torch.float64, device=probes.device)
    rival, rank = torch.empty_like(own), torch.empty_like(probe_classes)
    for best in best_scores(
        measure, probes, probe_classes, enrolled, classes, own=1, others=most, by_class=True, block=block,
        stage="probes", progress=progress,
    ):  # fmt: skip
        own[best.rows], rival[best.rows], rank[best.rows] = best.own[:, 0], best.others[:, 0], best.ranks()[:, 0]
    return _Found(probe_classes >= 0, own, rank, rival, labels)


def _open_set(far: float, found: _Found, measure: Score, bootstrap: Bootstrap) -> OpenSet:
    mated = found.mated
    strangers = int((~mated).sum())
    if strangers == len(mated):
        return OpenSet(far, reason="no probe has a mate in the gallery")
    if strangers == 0:
        return OpenSet(far, reason="every probe has a mate in the gallery: no false alarm can be counted")
    if _alarms(far, strangers) < 1:
        return OpenSet(far, reason=f"FAR {far:g} is below 1/{strangers}, one alarm of the probes without a mate")
    alarms, order = found.rival[~mated].sort(descending=True)
    by_score = (~mated).nonzero()[order, 0]
    first = mated & (found.rank == 1)

    def rate(times: Tensor) -> float:
        threshold = _threshold(far, alarms, times[by_score])
        return weighted_mean((first & (found.own >= threshold))[mated], times[mated])

    once = torch.ones_like(found.own)
    threshold = _threshold(far, alarms, once[by_score])
    return OpenSet(
        far,
        dir=rate(once),
        threshold=_reported(threshold, alarms, found.own[first], measure),
        reached=int((alarms >= threshold).sum()) / strangers,
        interval=bootstrap.interval(rate, found.subjects, strata=mated),
    )


def _alarms(far: float, strangers: float) -> int:
    """How many false alarms are allowed; 0.29 of 100 are 29 although 0.29 * 100 < 29 in floating point."""
    return math.floor(far * strangers * (1 + 1e-12))


def _threshold(far: float, alarms: Tensor, times: Tensor) -> float:
    """The smallest number that no more than `far` of the alarms reach; scores, largest first, each `times` often."""
    reached = times.cumsum(0)
    allowed = int((reached <= _alarms(far, reached[-1].item())).sum())
    return math.nextafter(alarms[allowed].item(), math.inf) if allowed < len(alarms) else -math.inf


def _reported(threshold: float, alarms: Tensor, own: Tensor, measure: Score) -> float:
    """Midway between the scores below and at or above the threshold, in the unit of the scores."""
    scores = torch.cat([alarms, own])
    above, below = scores[scores >= threshold], scores[scores < threshold]
    if len(below) == 0:
        return -math.inf
    rejected = measure.unfold(below.max()).item()
    if len(above) == 0:
        return math.nextafter(rejected, math.inf)
    return between(measure.unfold(above.min()).item(), rejected)


def _templates(enrolled: Tensor, classes: Tensor, count: int, block: int) -> Tensor:
    """Mean of each subject's unit vectors, (S, D); the cosine knows no length."""
    means = torch.zeros(count, enrolled.shape[1], dtype=torch.float64, device=enrolled.device)
    measure = score_named("cosine")
    step = max(1, block // max(1, enrolled.shape[1]))
    for start in range(0, len(enrolled), step):
        means.index_add_(0, classes[start : start + step], measure.vectors(enrolled[start : start + step]))
    return direction(means)[0]


def _check(
    gallery: Tensor,
    gallery_labels: Tensor,
    probes: Tensor,
    probe_labels: Tensor,
    ranks: int,
    far: tuple[float, ...],
    subjects: str,
    similarity: str,
) -> None:
    check_features("gallery", gallery)
    check_features("probes", probes, beside=gallery)
    check_labels("gallery_labels", gallery_labels, len(gallery))
    check_labels("probe_labels", probe_labels, len(probes))
    if len(gallery) == 0:
        raise ValueError("gallery has no rows, expected one or more for each known subject")
    if ranks < 1:
        raise ValueError(f"ranks is {ranks}, expected 1 or more")
    for rate in far:
        if not 0 < rate <= 1:
            raise ValueError(f"far has {rate}, expected rates in (0, 1]")
    if subjects not in SUBJECTS:
        raise ValueError(f"subjects is {subjects!r}, expected one of {SUBJECTS}")
    if subjects == "template" and similarity != "cosine":
        raise ValueError("subjects='template' is a mean of unit vectors: it needs similarity='cosine', or take 'set'")
