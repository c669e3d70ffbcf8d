"""Samples that a run is validated on, with their subjects or with pairs of them."""

# N samples, P listed pairs

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..evaluation import Verification, pair_scores, rank_1, verification, verification_of_all_pairs

FAR = 1e-3
"""False accept rate at which the true accept rate is validated."""

FIGURES = {"tar": f"TAR at FAR {FAR:g}", "eer": "EER", "rank_1": "rank 1"}
"""Names of the figures, in the order in which they are preferred to choose the best epoch."""


@dataclass(frozen=True, eq=False)
class Subjects:
    """Subjects of samples, all pairs of which are verified.

    Args:
        labels: (N,) int64.
    """

    labels: Tensor

    @cached_property
    def pairs(self) -> tuple[int, int]:
        """Number of genuine and of impostor pairs."""
        counts, samples = self.labels.unique(return_counts=True)[1], len(self.labels)
        genuine = int((counts * (counts - 1) // 2).sum())
        return genuine, samples * (samples - 1) // 2 - genuine

    @property
    def no_rank_1(self) -> str | None:
        """Why there is no rank 1; None where there is."""
        if 0 in self.pairs:
            return "the samples are all of one subject" if self.pairs[0] else "no subject has two samples"
        return None

    def verify(self, features: Tensor) -> Verification:
        """Verification of all pairs of features (N, D)."""
        return verification_of_all_pairs(features, self.labels, far=(FAR,))

    def search(self, features: Tensor) -> float | None:
        """Rank-1 identification rate of features (N, D), leave one out; None where there is none."""
        return None if self.no_rank_1 else rank_1(features, self.labels)

    def answers(self) -> Tensor:
        """The labels."""
        return self.labels


@dataclass(frozen=True, eq=False)
class ListedPairs:
    """Pairs of samples that are verified.

    Args:
        rows: (P, 2) int64, positions in the samples.
        same: (P,) bool, true for a genuine pair.
    """

    rows: Tensor
    same: Tensor

    @cached_property
    def pairs(self) -> tuple[int, int]:
        """Number of genuine and of impostor pairs."""
        genuine = int(self.same.sum())
        return genuine, len(self.same) - genuine

    @property
    def no_rank_1(self) -> str | None:
        """Why there is no rank 1."""
        return "listed pairs are verified, not searched"

    def verify(self, features: Tensor) -> Verification:
        """Verification of the listed pairs of features (N, D)."""
        return verification(pair_scores(features, self.rows), self.same, far=(FAR,))

    def search(self, features: Tensor) -> float | None:
        """None: there is no rank 1."""
        return None

    def answers(self) -> Tensor:
        """Pairs and answers (P, 3)."""
        return torch.cat([self.rows, self.same[:, None].long()], dim=1)


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """Samples that a run is validated on.

    Args:
        name: in messages and metrics.
        inputs: (N, C, H, W) uint8 pixels, or (N, features) float32, of the shape that the run is trained on.
        truth: the subjects of the samples, or pairs of samples.
    """

    name: str
    inputs: Tensor
    truth: Subjects | ListedPairs

    @cached_property
    def refused(self) -> dict[str, str]:
        """Figures that the number of pairs cannot support, with the reason, by their keys in `FIGURES`."""
        # verification refuses by the numbers of pairs alone, and no number above 1 / FAR is too small
        genuine, impostors = (min(count, round(1 / FAR)) for count in self.truth.pairs)
        same = torch.arange(genuine + impostors) < genuine
        refused = verification(torch.zeros(len(same)), same, far=(FAR,)).refused
        reasons = {"tar": refused.get(f"tar@{FAR:g}"), "eer": refused.get("eer"), "rank_1": self.truth.no_rank_1}
        return {key: reason for key, reason in reasons.items() if reason is not None}

    @property
    def best_by(self) -> str | None:
        """The figure that chooses the best epoch, by its key in `FIGURES`; None where all are refused."""
        return next((key for key in FIGURES if key not in self.refused), None)

    def __str__(self) -> str:
        """Size of the set, the figure that chooses the best epoch, and the refused ones, in a line."""
        genuine, impostors = self.truth.pairs
        reasons = [f"{FIGURES[key]} is n/a ({reason})" for key, reason in self.refused.items()]
        best = [f"the best epoch is chosen by {FIGURES[self.best_by]}"] if self.best_by else []
        sizes = f"{self.name}, {len(self.inputs):,} samples, {genuine:,} genuine and {impostors:,} impostor pairs"
        return "; ".join([sizes, *best, *reasons])
