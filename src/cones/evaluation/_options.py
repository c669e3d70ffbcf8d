"""Options of an evaluation as one object, and the evaluation itself."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ._arrays import UNKNOWN, Array, as_features, as_labels, as_tensor, known_rows
from ._bootstrap import Bootstrap
from ._checks import check_embeddings, check_integers
from ._evaluation import Evaluation
from .embedding_space import geometry
from .progress import Progress, silent
from .search import Identification, gallery_probe_split, identify, retrieve
from .similarity import Similarity
from .verification import VerificationSettings, accuracy_of_folds, report_of_pairs, report_of_rows

RANKS, RECALL_AT, RESTARTS = 10, (1, 2, 4, 8), 3
CLUSTERED = 2**23
"""Rows times classes up to which k-means is run for NMI and AMI."""


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation; the fields are the arguments of `evaluate`.

    Attributes:
        far: false accept rates of verification and false alarm rates of identification, each in (0, 1].
        similarity: "cosine" or "euclidean".
        resamples: resamples of subjects for the intervals; 0 for none.
        confidence: of the intervals, between 0 and 1.
        seed: of the resamples, of the gallery and of clustering.
        p_target: prior of a genuine pair, in (0, 1), for minDCF.
        costs: of a miss and of a false alarm, for minDCF.
        min_pairs: fewer genuine or impostor pairs than this carry no rate.
        gallery_samples: samples of a subject in the gallery of identification; the other rows are probes.
        unmated: share of the subjects that the gallery lacks.

    Raises:
        ValueError: a field is out of its range.
    """

    far: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    similarity: Similarity = "cosine"
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0
    p_target: float = 0.01
    costs: tuple[float, float] = (1.0, 1.0)
    min_pairs: int = 10
    gallery_samples: int = 1
    unmated: float = 0.5

    def __post_init__(self) -> None:
        for rate in self.far:
            if not 0 < rate <= 1:
                raise ValueError(f"far holds {rate}, expected rates in (0, 1]: 0.1 percent is 1e-3")
        _ = self.bootstrap, self.verification  # both check their fields

    @property
    def verification(self) -> VerificationSettings:
        """The options of verification."""
        return VerificationSettings(self.far, self.p_target, self.costs, self.min_pairs)

    @property
    def bootstrap(self) -> Bootstrap:
        """The options of the intervals."""
        return Bootstrap(self.resamples, self.confidence, self.seed)

    @torch.no_grad()
    def evaluate(self, embeddings: Array, labels: Array, progress: Progress = silent) -> Evaluation:
        """Evaluate labelled embeddings; see `cones.evaluation.evaluate`."""
        embeddings = as_features("embeddings", embeddings)
        check_embeddings(embeddings)
        labels, names = as_labels("labels", labels)
        check_integers("labels", labels, (len(embeddings),), "one subject per row")
        report = report_of_rows(
            embeddings, labels, self.similarity, self.verification, self.bootstrap, progress=progress
        )
        rows, known = known_rows(embeddings, labels)
        counts = known.unique(return_counts=True)[1]
        unknown = len(labels) - len(known)
        identified = retrieved = shape = None
        if len(counts) + unknown > 1 and len(counts) > 0 and int(counts.max()) > 1:
            identified = self._identify(embeddings, labels, progress)
            restarts = RESTARTS if len(labels) * len(counts) <= CLUSTERED else 0
            retrieved = retrieve(
                embeddings, labels, RECALL_AT, self.similarity, restarts, self.bootstrap, progress=progress
            )
            shape = geometry(rows, known) if len(counts) > 1 else None
        return Evaluation(
            samples=len(labels),
            subjects=len(counts),
            verification=report.figures,
            intervals=report.intervals,
            identification=identified,
            retrieval=retrieved,
            geometry=shape,
            details=report.details,
            confidence=self.confidence,
            unknown=unknown,
            zero_rows=report.figures.zero_rows,
            subject_names=names,
        )

    def evaluate_pairs(
        self,
        scores: Array,
        same: Array,
        subjects: Array | None = None,
        progress: Progress = silent,
        *,
        rows: Array | None = None,
        folds: int | Array | None = None,
    ) -> Evaluation:
        """Evaluate scored pairs; see `cones.evaluation.evaluate_pairs`."""
        return evaluation_of_pairs(
            scores, same, subjects, self.verification, self.bootstrap, rows=rows, folds=folds, progress=progress
        )

    def _identify(self, embeddings: Tensor, labels: Tensor, progress: Progress) -> Identification | None:
        split = gallery_probe_split(labels, samples=self.gallery_samples, unmated=self.unmated, seed=self.seed)
        if not len(split.gallery):
            return None
        gallery, probes = (part.to(embeddings.device) for part in (split.gallery, split.probes))
        return identify(
            embeddings[gallery], labels[split.gallery], embeddings[probes], labels[split.probes], RANKS, self.far,
            "set", self.similarity, self.bootstrap, progress=progress,
        )  # fmt: skip


@torch.no_grad()
def evaluation_of_pairs(
    scores: Array,
    same: Array,
    subjects: Array | None,
    settings: VerificationSettings,
    bootstrap: Bootstrap,
    *,
    rows: Array | None = None,
    folds: int | Array | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """`cones.evaluation.evaluate_pairs` with its settings as objects."""
    scores, same = as_tensor("scores", scores), as_tensor("same", same)
    numbers = names = None
    if subjects is not None:
        numbers, names = as_labels("subjects", subjects)
    report = report_of_pairs(scores, same, numbers, settings, bootstrap, rows, progress, stacklevel=4)
    accuracy = None
    if folds is not None:
        accuracy = accuracy_of_folds(scores, same, folds if isinstance(folds, int) else as_tensor("folds", folds))
    return Evaluation(
        samples=0,
        subjects=0 if numbers is None else len(numbers[numbers != UNKNOWN].unique()),
        verification=report.figures,
        intervals=report.intervals,
        identification=None,
        retrieval=None,
        geometry=None,
        details=report.details,
        confidence=bootstrap.confidence,
        folds=accuracy,
        subject_names=names,
    )
