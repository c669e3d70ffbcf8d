"""Closed-set and open-set identification."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...common.unit_vectors import direction
from .._arrays import Array, as_features, as_labels_alike, strangers_apart
from .._bootstrap import Bootstrap, weighted_mean
from .._checks import check_labels
from .._table import table
from ..figure import Figure, Interval
from ..progress import Progress, silent
from ..quantities import IDENTIFICATION
from ..similarity import BLOCK, Score, Similarity, check_features, score_named
from ._mates import best_scores
from ._open_set import NO_MATE, OpenSet, ProbeScores, open_set_at

SUBJECTS = ("set", "template")
RANKS = (1, 5, 10)
"""Ranks in the table of figures."""


@dataclass(frozen=True)
class Identification:
    """Result of `identification`; print it for tables.

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
        interval = f"{100 * self.confidence:g} % interval"
        closed = [("rank", "identified", interval)]
        if self.cmc is None:
            closed.append(("1", f"n/a: {NO_MATE}", ""))
        for rank in range(1, len(self.cmc or ()) + 1):
            figure = self._at_rank(rank)
            closed.append((str(rank), figure.value_text, figure.interval_text))
        opened = [("FAR", "DIR", interval, "threshold", "FAR reached")]
        for at in self.open_set:
            figure = _at_far(at)
            if at.threshold is None or at.reached is None:
                opened.append((f"{at.far:g}", f"{figure.value_text}: {figure.note}", "", "", ""))
            else:
                reached = f"{at.reached:.4g}"
                cells = (f"{at.far:g}", figure.value_text, figure.interval_text, figure.threshold_text, reached)
                opened.append(cells)
        return "\n\n".join([head, table(closed), table(opened)] if self.open_set else [head, table(closed)])

    def as_figures(self) -> list[Figure]:
        """The lines of the table of figures: ranks 1, 5 and 10, and DIR at each rate."""
        known = [rank for rank in RANKS if self.cmc is None or rank <= len(self.cmc)]
        return [*(self._at_rank(rank) for rank in known), *(_at_far(at) for at in self.open_set)]

    def _at_rank(self, rank: int) -> Figure:
        quantity = IDENTIFICATION["cmc"]
        if self.cmc is None:
            figure = quantity.figure(None, rank, note=NO_MATE)
        else:
            figure = quantity.figure(self.cmc[rank - 1], rank, interval=self.rank_1_interval if rank == 1 else None)
        return figure._replace(headline=figure.headline and rank == 1)


def _at_far(at: OpenSet) -> Figure:
    return IDENTIFICATION["dir"].figure(
        at.dir, at.far, interval=at.interval, threshold=at.threshold, note=at.reason or ""
    )


def identification(
    gallery: Array,
    gallery_labels: Array,
    probes: Array,
    probe_labels: Array,
    *,
    ranks: int = 10,
    far: tuple[float, ...] = (0.001, 0.01, 0.1),
    subjects: str = "set",
    similarity: Similarity = "cosine",
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
        gallery: (M, D), several rows per subject allowed, any floating dtype.
        gallery_labels: (M,) integers or text; -1 for an unknown subject, the mate of no probe.
        probes: (P, D).
        probe_labels: (P,) integers or text; those that the gallery lacks are the non-mated, and so is -1.
        ranks: r of the CMC, cut at the number of subjects.
        far: false alarm rates, in (0, 1].
        subjects: "set": s is the largest score over the subject's rows; "template": that with the mean of the subject's
            unit vectors (cosine only).
        similarity: "cosine" or "euclidean", see `top_k`.
        resamples: of the bootstrap over subjects (the gallery stays as it is); 0 for no intervals.
        confidence: of the percentile intervals.
        seed: of the resampling.
        block: approximate number of float64 numbers held at once, beside a sorted copy of the gallery; a subject's rows
            stay together.
        progress: reports the probes that are done.

    Returns:
        `Identification`; `print` shows it as tables.

    Raises:
        ValueError: shapes that do not fit, rows that are not finite, no gallery, settings out of their range.

    Reference: P. J. Phillips, P. Grother, R. Micheals, "Evaluation Methods in Face Recognition", Handbook of Face
        Recognition, Springer 2011 (the chapter itself was not at hand; how it counts ties was not checked).

    Example:
        >>> gallery, probes = torch.eye(3), torch.tensor([[9.0, 1.0, 0.0], [1.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
        >>> i = identification(gallery, torch.tensor([0, 1, 2]), probes, torch.tensor([0, 0, 7]), far=(1.0, 0.5))
        >>> i.cmc, i.open_set[0].dir, i.open_set[1].reason
        ((0.5, 1.0, 1.0), 0.5, 'FAR 0.5 is below 1/1, one alarm of the probes without a mate')
    """
    return identify(
        gallery, gallery_labels, probes, probe_labels, ranks, far, subjects, similarity,
        Bootstrap(resamples, confidence, seed), block, progress,
    )  # fmt: skip


def identify(
    gallery: Array,
    gallery_labels: Array,
    probes: Array,
    probe_labels: Array,
    ranks: int,
    far: tuple[float, ...],
    subjects: str,
    similarity: Similarity,
    bootstrap: Bootstrap,
    block: int = BLOCK,
    progress: Progress = silent,
) -> Identification:
    """`identification` with the settings of its intervals as an object."""
    gallery, probes = as_features("gallery", gallery), as_features("probes", probes)
    labels_of, _ = as_labels_alike({"gallery_labels": gallery_labels, "probe_labels": probe_labels})
    _check(gallery, labels_of[0], probes, labels_of[1], ranks, far, subjects, similarity)
    gallery_labels = strangers_apart(labels_of[0], "gallery_labels")
    probe_labels = strangers_apart(labels_of[1], "probe_labels", first=len(gallery))
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
    scores = _search(measure, enrolled, classes, probes, place.where(mated, -1), labels, most, block, progress)
    rank, count = scores.rank[mated], int(mated.sum())
    return Identification(
        cmc=tuple(int((rank <= r).sum()) / count for r in range(1, most + 1)) if count else None,
        rank_1_interval=bootstrap.interval(lambda times: weighted_mean(rank == 1, times), labels[mated]),
        open_set=tuple(open_set_at(rate, scores, measure, bootstrap) for rate in far),
        subjects=len(names),
        mated=count,
        non_mated=len(probes) - count,
        confidence=bootstrap.confidence,
    )


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
) -> ProbeScores:
    own = torch.empty(len(probes), dtype=torch.float64, device=probes.device)
    rival, rank = torch.empty_like(own), torch.empty_like(probe_classes)
    for best in best_scores(
        measure, probes, probe_classes, enrolled, classes, own=1, others=most, by_class=True, block=block,
        stage="probes", progress=progress,
    ):  # fmt: skip
        own[best.rows], rival[best.rows], rank[best.rows] = best.own[:, 0], best.others[:, 0], best.ranks()[:, 0]
    return ProbeScores(probe_classes >= 0, own, rank, rival, labels)


def _templates(enrolled: Tensor, classes: Tensor, count: int, block: int) -> Tensor:
    """Mean of each subject's unit vectors, (S, D), made unit: the cosine ignores lengths."""
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
    similarity: Similarity,
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
