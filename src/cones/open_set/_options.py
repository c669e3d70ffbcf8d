from dataclasses import dataclass

from torch import Tensor

from ..evaluation import Evaluation, Progress, Similarity, evaluate, evaluate_pairs
from ..evaluation.progress import silent
from ..evaluation.verification.settings import VerificationSettings


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation.

    Attributes:
        far: false accept rates, each in (0, 1].
        similarity: "cosine" or "euclidean".
        resamples: draws for the intervals; 0 for none.
        confidence: of the intervals, between 0 and 1.
        seed: of the draws and of the gallery.
        p_target: prior of a genuine pair, in (0, 1), for minDCF.
        costs: of a miss and of a false alarm, for minDCF.
        min_pairs: fewer genuine or impostor pairs than this carry no rate.

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

    def __post_init__(self) -> None:
        for rate in self.far:
            if not 0 < rate <= 1:
                raise ValueError(f"far holds {rate}, expected rates in (0, 1]: 0.1 percent is 1e-3")
        if self.resamples < 0:
            raise ValueError(f"resamples is {self.resamples}, expected 0 (no intervals) or more, such as 1000")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}, expected a share between 0 and 1, such as 0.95")
        VerificationSettings(self.far, self.p_target, self.costs, self.min_pairs)

    def of_rows(self, features: Tensor, labels: Tensor, progress: Progress = silent) -> Evaluation:
        """Evaluate labelled embeddings as it is asked for."""
        return evaluate(
            features, labels, self.far, self.similarity,
            p_target=self.p_target, costs=self.costs, min_pairs=self.min_pairs,
            resamples=self.resamples, confidence=self.confidence, seed=self.seed, progress=progress,
        )  # fmt: skip

    def of_pairs(
        self,
        scores: Tensor,
        same: Tensor,
        subjects: Tensor | None,
        progress: Progress = silent,
        *,
        rows: Tensor | None = None,
        folds: int | Tensor | None = None,
    ) -> Evaluation:
        """Evaluate scored pairs as it is asked for."""
        return evaluate_pairs(
            scores, same, subjects, self.far, rows=rows, folds=folds,
            p_target=self.p_target, costs=self.costs, min_pairs=self.min_pairs,
            resamples=self.resamples, confidence=self.confidence, seed=self.seed, progress=progress,
        )  # fmt: skip
