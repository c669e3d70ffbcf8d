from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class VerificationDetails:
    """Curve, histogram, errors by subject and hardest pairs; rows are positions in the evaluated embeddings or pairs.

    Attributes:
        far, tar: (M,) float64, operating points, far rising from 0 to 1.
        band: (M, 2) float64, interval of tar at each far; NaN where there is none. None without intervals.
        confidence: of the band.
        edges: (B + 1,) float64, of the score bins.
        genuine, impostors: (B,) int64, pairs with a score in each bin.
        eer: equal error rate of all operating points, not only of those of the curve.
        threshold, threshold_far: the score at which errors are counted, and the false accept rate requested there.
        reached_far, reached_tar: the false and the true accept rate at the threshold.
        subjects: (S,) int64, labels; subjects that are not known are left out.
        false_rejects, false_accepts: (S,) float64, share of a subject's genuine pairs below the threshold and of its
            impostor pairs at or above it; NaN where it has none.
        hard_genuine, hard_impostors: (k, 2) int64, the rows of the genuine pairs of lowest score, lowest first, and of
            the impostor pairs of highest score, highest first; one pair for each subject or two subjects.
        hard_genuine_scores, hard_impostor_scores: (k,) float64.
    """

    far: Tensor
    tar: Tensor
    band: Tensor | None
    confidence: float
    edges: Tensor
    genuine: Tensor
    impostors: Tensor
    eer: float
    threshold: float
    threshold_far: float
    reached_far: float
    reached_tar: float
    subjects: Tensor
    false_rejects: Tensor
    false_accepts: Tensor
    hard_genuine: Tensor
    hard_impostors: Tensor
    hard_genuine_scores: Tensor
    hard_impostor_scores: Tensor

    def __repr__(self) -> str:
        pairs = f"{int(self.genuine.sum()):,} genuine and {int(self.impostors.sum()):,} impostor pairs"
        return f"VerificationDetails({pairs}, {len(self.far)} operating points, {len(self.subjects)} subjects)"
