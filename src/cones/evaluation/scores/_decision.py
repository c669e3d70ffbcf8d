import ctypes
import hashlib
import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from .._arrays import Array, as_features
from ..blocks import block_rows
from ..similarity import Similarity, check_similarity
from ._calibration import Calibration
from ._normalisation import NORMALISATIONS, normalised_scores
from ._pairs import pair_scores

Normalisation = Literal["none", "z", "t", "s"]


@dataclass(frozen=True)
class Decision:
    """A threshold with the definition of its score: similarity, normalisation, calibration and model.

    A pair is accepted as the same where its score is at least the threshold. See `choose_decision`.

    Attributes:
        threshold: in units of the score after normalisation and calibration; of "euclidean" without them minus the
            distance, in the unit of the features.
        far: the requested false accept rate, in [0, 1).
        measured_far: the rate on the pairs it was chosen on, at most far.
        measured_tar: the true accept rate there.
        same_pairs: number of pairs of one class that it was chosen on.
        different_pairs: number of pairs of two classes.
        similarity: "cosine" or "euclidean".
        normalisation: "none", "z", "t" or "s" (see `normalised_scores`).
        top: number of the cohort's scores used; None for all.
        calibration: from scores to log-likelihood ratios; None where there is none.
        cohort_sha256: of the cohort's numbers; None without normalisation.
        model_sha256: of the model's file; None where none was named.

    Raises:
        ValueError: a field is out of its range, or two do not fit together.
    """

    threshold: float
    far: float
    measured_far: float
    measured_tar: float
    same_pairs: int
    different_pairs: int
    similarity: Similarity = "cosine"
    normalisation: Normalisation = "none"
    top: int | None = None
    calibration: Calibration | None = None
    cohort_sha256: str | None = None
    model_sha256: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise ValueError(f"Decision: threshold is {self.threshold}, expected a finite number")
        if not 0 <= self.far < 1:
            raise ValueError(f"Decision: far is {self.far}, expected a rate in [0, 1)")
        for name in ("measured_far", "measured_tar"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Decision: {name} is {getattr(self, name)}, expected a rate in [0, 1]")
        for name in ("same_pairs", "different_pairs"):
            if getattr(self, name) < 1:
                raise ValueError(f"Decision: {name} is {getattr(self, name)}, expected at least 1")
        if self.calibration is not None and self.calibration.slope <= 0:
            raise ValueError(
                f"Decision: calibration has the slope {self.calibration.slope}, expected one above 0: a larger score "
                "must mean more alike"
            )
        check_scoring(self.similarity, self.normalisation, self.top, self.cohort_sha256 is not None)
        for name in ("cohort_sha256", "model_sha256"):
            digest = getattr(self, name)
            if digest is not None and not (len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
                raise ValueError(f"Decision: {name} is {digest!r}, expected 64 hexadecimal digits")

    def scores(self, features: Array, pairs: Array, cohort: Array | None = None) -> Tensor:
        """Scores (P,) float64 of pairs (P, 2) of rows of features (N, D), normalised and calibrated as stored.

        Raises:
            ValueError: wrong shapes, or a cohort that is missing, not needed, or not the one of the threshold.
        """
        cohort = None if cohort is None else as_features("cohort", cohort)
        if cohort is not None and self.cohort_sha256 is not None and tensor_sha256(cohort) != self.cohort_sha256:
            raise ValueError(
                f"cohort has sha256 {tensor_sha256(cohort)}, but the threshold was chosen with {self.cohort_sha256}: "
                "pass the same embeddings in the same order, or choose a threshold again"
            )
        raw = plain_scores(features, pairs, self.similarity, self.normalisation, self.top, cohort)
        return raw if self.calibration is None else self.calibration.llr(raw)

    def accept(self, features: Array, pairs: Array, cohort: Array | None = None) -> Tensor:
        """Decide for each pair, (P,) bool, if it is of one class: score ≥ threshold. Arguments as of `scores`."""
        return self.scores(features, pairs, cohort) >= self.threshold

    def __str__(self) -> str:
        kind = self.similarity if self.normalisation == "none" else f"{self._normalisation()} of the {self.similarity}"
        return (
            f"same where {'llr of the ' if self.calibration else ''}{kind} ≥ {self.threshold:.6g}: "
            f"FAR {self.measured_far:.3g} (asked {self.far:.3g}) over {self.different_pairs} pairs, "
            f"TAR {self.measured_tar:.3g} over {self.same_pairs}"
        )

    def _normalisation(self) -> str:
        return f"{self.normalisation}-norm" if self.top is None else f"adaptive {self.normalisation}-norm ({self.top})"


def plain_scores(
    features: Array,
    pairs: Array,
    similarity: Similarity,
    normalisation: Normalisation,
    top: int | None,
    cohort: Tensor | None,
) -> Tensor:
    """Scores (P,) before any calibration."""
    check_scoring(similarity, normalisation, top, cohort is not None)
    if normalisation == "none" or cohort is None:
        return pair_scores(features, pairs, similarity)
    return normalised_scores(features, pairs, cohort, normalisation, top)


def check_scoring(similarity: str, normalisation: str, top: int | None, cohort: bool) -> None:
    """Raise ValueError unless the similarity, its normalisation and a cohort fit together."""
    check_similarity(similarity)
    if normalisation not in ("none", *NORMALISATIONS):
        raise ValueError(f"normalisation is {normalisation!r}, expected one of none, {', '.join(NORMALISATIONS)}")
    if normalisation == "none":
        if cohort or top is not None:
            raise ValueError('normalisation is "none", which takes no cohort and no top: leave them out')
        return
    if similarity != "cosine":
        raise ValueError(f'similarity is {similarity!r}, but a cohort normalises cosines: expected "cosine"')
    if not cohort:
        raise ValueError(f'normalisation is "{normalisation}", which needs a cohort: pass its embeddings')


def tensor_sha256(values: Tensor) -> str:
    """Checksum of a tensor's numbers as float64 and its shape; the same on all devices and for exact copies."""
    digest = hashlib.sha256(str(tuple(values.shape)).encode())
    for rows in block_rows(values):
        rows = rows.to("cpu").contiguous()
        digest.update(ctypes.string_at(rows.data_ptr(), rows.numel() * rows.element_size()))
    return digest.hexdigest()
