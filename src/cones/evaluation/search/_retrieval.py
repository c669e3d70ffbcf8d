"""Each sample as a query against all others: R@k, R-precision, MAP@R, and clusters against classes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...common.unit_vectors import direction
from .._arrays import Array, as_features, as_labels, known_rows, strangers_apart
from .._bootstrap import Bootstrap, weighted_mean
from .._checks import check_labels
from .._table import table
from ..figure import Figure, Interval
from ..progress import Progress, silent
from ..quantities import RETRIEVAL
from ..similarity import BLOCK, Similarity, check_features, score_named
from ._information import adjusted_mutual_information, normalized_mutual_information
from ._k_means import k_means
from ._mates import Best, best_scores

LEAST_CLUSTERED = 10
"""Rows from which on agreement of clusters and classes is shown: with fewer it is mostly chance."""


@dataclass(frozen=True)
class Retrieval:
    """Result of `retrieval`; print it for a table.

    Attributes:
        recall: R@k for each k of `recall_at`: share of queries with one of their class among the k nearest.
        recall_at: the k.
        r_precision: mean over queries of the share of their class among the R nearest, R the others of their class.
        map_at_r: mean over queries of MAP@R.
        nmi: normalised mutual information of k-means clusters and classes; None without clustering.
        ami: the same, adjusted for chance.
        recall_interval: of `recall[0]`; None without resampling or with fewer than two classes of queries.
        map_at_r_interval: of `map_at_r`.
        queries: number of queries counted.
        excluded: rows without another of their class: no queries, but in every query's gallery.
        classes: among all rows, without the unknown.
        confidence: of the intervals.
        others: rows that each query is compared with: all but itself.
    """

    recall: tuple[float, ...]
    recall_at: tuple[int, ...]
    r_precision: float
    map_at_r: float
    nmi: float | None
    ami: float | None
    recall_interval: Interval | None
    map_at_r_interval: Interval | None
    queries: int
    excluded: int
    classes: int
    confidence: float
    others: int

    def __str__(self) -> str:
        lines = [("", "value", f"{100 * self.confidence:g} % interval")]
        lines += [(f.name, f.value_text, f.interval_text) for f in self.as_figures() if f.value is not None]
        head = f"{self.queries} queries of {self.classes} classes, {self.excluded} rows alone in their class left out"
        return f"{head}\n\n{table(lines)}"

    def as_figures(self) -> list[Figure]:
        """The lines of the table of figures: recall at each k, R-precision, MAP@R, and NMI and AMI of the clusters."""
        recall = [
            RETRIEVAL["recall"].figure(value, k, interval=self.recall_interval if place == 0 else None)
            if k < self.others
            else RETRIEVAL["recall"].figure(None, k, note=f"each query has {self.others} others, all of them among {k}")
            for place, (k, value) in enumerate(zip(self.recall_at, self.recall, strict=True))
        ]
        no_clusters = "" if self.nmi is not None else "too many rows and classes to cluster"
        few = no_clusters or self._too_few_to_cluster()
        return [
            *recall,
            RETRIEVAL["r_precision"].figure(self.r_precision),
            RETRIEVAL["map_at_r"].figure(self.map_at_r, interval=self.map_at_r_interval),
            RETRIEVAL["nmi"].figure(None if few else self.nmi, note=few),
            RETRIEVAL["ami"].figure(None if few else self.ami, note=few),
        ]

    def _too_few_to_cluster(self) -> str:
        """The reason why clusters say nothing of the rows; empty where they do."""
        if self.classes < 2:
            return "one class, so that there is one cluster"
        rows = self.queries + self.excluded
        return f"{rows} rows, fewer than {LEAST_CLUSTERED} to cluster" if rows < LEAST_CLUSTERED else ""


def retrieval(
    features: Array,
    labels: Array,
    *,
    recall_at: tuple[int, ...] = (1, 2, 4, 8),
    similarity: Similarity = "cosine",
    restarts: int = 3,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    block: int = BLOCK,
    progress: Progress = silent,
) -> Retrieval:
    """Measure how many of the nearest others of a sample are of its class.

        R-precision = 1/R Σ_{i=1..R} rel(i),   MAP@R = 1/R Σ_{i=1..R} rel(i) P(i)

    rel(i) is 1 where the i-th nearest is of the query's class, P(i) the precision among the first i, R the number of
    others of the class. Each row is a query against all others, unless it is the only one of its class. Among equal
    scores those of other classes come first: a tie counts against the query, and the order of the rows never matters.

    Args:
        features: (N, D), any floating dtype.
        labels: (N,) integers or text, at least one of them twice; -1 for a subject that is not known: its row is no
            query, but in every query's gallery, and in no cluster.
        recall_at: the k of R@k, each 1 or more.
        similarity: "cosine" or "euclidean", see `top_k`.
        restarts: of k-means with as many clusters as classes, on unit vectors for "cosine"; 0 for no clustering.
        resamples: of the bootstrap over classes (the gallery stays as it is); 0 for no intervals.
        confidence: of the percentile intervals.
        seed: of clustering and resampling.
        block: approximate number of float64 numbers held at once, but at least the largest class for one query.
        progress: reports the queries and the steps of clustering that are done.

    Returns:
        `Retrieval`; `print` shows it as a table.

    Raises:
        ValueError: shapes that do not fit, rows that are not finite, no class with two rows, settings out of range.

    Reference: K. Musgrave, S. Belongie, S.-N. Lim, "A Metric Learning Reality Check", ECCV 2020, arXiv 2003.08505
        (R-precision and MAP@R; the same figures as the authors' library gives on rows without ties).

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
        >>> r = retrieval(x, torch.tensor([0, 0, 1, 1]), similarity="euclidean", recall_at=(1, 2), restarts=0)
        >>> r.recall, r.map_at_r  # the row at 3 is nearer to the rows at 1 and 0 than to its own at 7
        ((0.75, 0.75), 0.75)
    """
    return retrieve(
        features, labels, recall_at, similarity, restarts, Bootstrap(resamples, confidence, seed), block, progress
    )


def retrieve(
    features: Array,
    labels: Array,
    recall_at: tuple[int, ...],
    similarity: Similarity,
    restarts: int,
    bootstrap: Bootstrap,
    block: int = BLOCK,
    progress: Progress = silent,
) -> Retrieval:
    """`retrieval` with the settings of its intervals as an object."""
    features = as_features("features", features)
    given, _ = as_labels("labels", labels)
    check_features("features", features)
    check_labels("labels", given, len(features))
    labels = strangers_apart(given)
    if not recall_at or min(recall_at) < 1:
        raise ValueError(f"recall_at is {recall_at}, expected one or more k, each 1 or more, such as (1, 2, 4, 8)")
    if restarts < 0:
        raise ValueError(f"restarts is {restarts}, expected 0 (no clustering) or more")
    measure = score_named(similarity, features)
    _, classes, counts = labels.to(features.device).unique(return_inverse=True, return_counts=True)
    others = counts[classes] - 1
    is_query = others > 0
    queries = int(is_query.sum())
    if queries == 0:
        raise ValueError(f"labels has no class with two rows among its {len(labels)}: retrieval needs a mate to find")
    largest = int(others.max())
    figures = torch.cat([
        _figures(best, others[best.rows])
        for best in best_scores(
            measure, features, classes, features, classes,
            own=largest, others=min(len(features), max(*recall_at, largest)), exclude_self=True, block=block,
            stage="queries", progress=progress,
        )
    ])[is_query]  # fmt: skip
    first, precision, average = figures.unbind(1)
    subjects = classes[is_query]
    nmi = ami = None
    if restarts:
        rows, known = known_rows(features, given)
        x = direction(rows.detach().double())[0] if similarity == "cosine" else rows
        clusters = k_means(
            x, len(known.unique()), restarts=restarts, seed=bootstrap.seed, block=block, progress=progress
        ).assignment
        nmi, ami = normalized_mutual_information(known, clusters), adjusted_mutual_information(known, clusters)
    hits = first <= recall_at[0]
    return Retrieval(
        recall=tuple(int((first <= k).sum()) / queries for k in recall_at),
        recall_at=tuple(recall_at),
        r_precision=precision.mean().item(),
        map_at_r=average.mean().item(),
        nmi=nmi,
        ami=ami,
        recall_interval=bootstrap.interval(lambda times: weighted_mean(hits, times), subjects),
        map_at_r_interval=bootstrap.interval(lambda times: weighted_mean(average, times), subjects),
        queries=queries,
        excluded=len(features) - queries,
        classes=len(known_rows(features, given)[1].unique()),
        confidence=bootstrap.confidence,
        others=len(features) - 1,
    )


def _figures(best: Best, relevant: Tensor) -> Tensor:
    """Rank of the first hit, R-precision and MAP@R of each row, (n, 3); `relevant` is R, (n,)."""
    ranks = best.ranks().double()
    place = torch.arange(1, ranks.shape[1] + 1, device=ranks.device)
    r = relevant[:, None]
    hits = (place <= r) & (ranks <= r)
    precision = hits.double().sum(1) / relevant.clamp_min(1)
    average = torch.where(hits, place / ranks, 0.0).sum(1) / relevant.clamp_min(1)
    return torch.stack([ranks[:, 0], precision, average], 1)
