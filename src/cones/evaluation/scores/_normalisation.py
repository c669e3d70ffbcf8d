from typing import Literal

import torch
from torch import Tensor

from ...common.unit_vectors import direction
from .._arrays import Array, as_features, as_tensor
from ..blocks import ROUNDING, block_rows, check_rows
from ._pairs import pair_scores

Cohorts = Literal["z", "t", "s"]
NORMALISATIONS: tuple[Cohorts, ...] = ("z", "t", "s")


def normalised_scores(
    features: Array, pairs: Array, cohort: Array, kind: Cohorts = "s", top: int | None = None
) -> Tensor:
    """Cosines of pairs in standard deviations from the scores of each side with strangers.

        z-norm:  (s - mu_e) / sigma_e
        t-norm:  (s - mu_t) / sigma_t
        s-norm:  1/2 ((s - mu_e) / sigma_e + (s - mu_t) / sigma_t)

    s is the cosine of the pair (e, t), e enrolled, t tested; mu_e and sigma_e are the mean and the standard deviation
    (over the number, not one less) of the cosines of e with the cohort, mu_t and sigma_t those of t. With `top` = n
    they are taken over the n largest cosines alone, those of e for e and those of t for t: "s" is then the adaptive
    s-norm (AS-norm1), "t" the idea of the adaptive t-norm.

    The cohort must not hold the subjects of the pairs: it measures the scores of strangers.

    Args:
        features: (N, D), any floating dtype.
        pairs: (P, 2) integers, rows of features: enrolled, tested.
        cohort: (C, D), C ≥ 2: embeddings of other people, taken as unit vectors; often one mean per person.
        kind: "z", "t" or "s".
        top: number of the cohort's scores used, at least 2 and at most C; None for all. Usual are 200 to 400.

    Returns:
        (P,) float64.

    Raises:
        ValueError: wrong shapes, numbers that are not finite, top out of its range, or a row of features whose
            scores with the cohort are all the same.

    Reference: z-norm and t-norm: Auckenthaler, Carey, Lloyd-Thomas, "Score Normalization for Text-Independent Speaker
    Verification Systems", Digital Signal Processing 10, 2000. s-norm: Kenny, "Bayesian Speaker Verification with
    Heavy-Tailed Priors", Odyssey 2010 (without the half). Adaptive: Sturim, Reynolds, "Speaker Adaptive Cohort
    Selection for Tnorm in Text-Independent Speaker Verification", ICASSP 2005; Matějka, Novotný, Plchot, Burget, Diez
    Sánchez, Černocký, "Analysis of Score Normalization in Multilingual Speaker Recognition", Interspeech 2017.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
        >>> cohort = torch.tensor([[0.0, 1.0], [1.0, 0.0]])   # (1, 0) scores 0 and 1: mean 1/2, deviation 1/2
        >>> normalised_scores(x, torch.tensor([[0, 1]]), cohort, "z")
        tensor([0.6000], dtype=torch.float64)
    """
    if kind not in NORMALISATIONS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(NORMALISATIONS)}")
    features, cohort = as_features("features", features), as_features("cohort", cohort)
    pairs = as_tensor("pairs", pairs)
    scores = pair_scores(features, pairs)
    check_rows(cohort, "cohort")
    if cohort.shape[1] != features.shape[1]:
        raise ValueError(f"cohort has {cohort.shape[1]} dims and features {features.shape[1]}: both must have the same")
    if len(cohort) < 2:
        raise ValueError("cohort has 1 row, expected at least 2: one score has no deviation")
    if top is not None and not 2 <= top <= len(cohort):
        raise ValueError(f"top is {top}, expected at least 2 and at most the cohort's {len(cohort)}, or None for all")
    sides = {"z": pairs[:, :1], "t": pairs[:, 1:], "s": pairs}[kind]
    rows, place = sides.unique(return_inverse=True)
    mean, deviation = _statistics(features[rows], direction(cohort.detach().to(torch.float64))[0], top)
    flat = (deviation <= ROUNDING).nonzero()
    if len(flat):
        raise ValueError(
            f"features[{int(rows[flat[0]])}] has one and the same cosine with all of the cohort, expected scores that "
            f"differ: is it 0, or the cohort one embedding many times?"
        )
    normalised: Tensor = (scores[:, None] - mean[place]) / deviation[place]
    return normalised.mean(dim=1)


def _statistics(features: Tensor, cohort: Tensor, top: int | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (N,) of each row's largest cosines with the cohort."""
    parts = []
    for x in block_rows(features, columns=len(cohort)):
        cosine = direction(x)[0] @ cohort.T
        if top is not None:
            cosine = cosine.topk(top, dim=1).values
        parts.append(torch.stack([cosine.mean(dim=1), cosine.std(dim=1, correction=0)]))
    mean, deviation = torch.cat(parts, dim=1) if parts else cohort.new_zeros(2, 0)
    return mean, deviation
