"""Dimensionality of features: effective rank and participation ratio of their covariance."""

import torch
from torch import Tensor

from .._arrays import Array, as_features
from ..blocks import ROUNDING, block_rows, check_rows


def effective_rank(features: Array) -> float | None:
    """Effective rank: the exponential of the entropy of the covariance's spectrum, in 1..D.

        erank = exp(-sum_k p_k log p_k),   p_k = lambda_k / sum_j lambda_j

    lambda are the eigenvalues of the features' covariance, which are its singular values. The measure is defined
    for any matrix; taken of the centred features themselves, whose singular values are the roots of these, it is
    larger. A spread that is the same in all dimensions has D.

    Args:
        features: (N, D), any floating dtype.

    Returns:
        The effective rank; None where all rows are the same up to rounding, whose covariance is 0.

    Raises:
        ValueError: no rows, a wrong shape, or numbers that are not finite.

    Reference: Roy, Vetterli, "The effective rank: A measure of effective dimensionality", EUSIPCO 2007, definition 1.

    Example:
        >>> x = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
        >>> round(effective_rank(x), 6)
        2.0
    """
    spectrum = covariance_spectrum(features)
    if spectrum is None:
        return None
    share = spectrum / spectrum.sum()
    return float(torch.special.entr(share).sum().exp())


def participation_ratio(features: Array) -> float | None:
    """Participation ratio of the covariance's spectrum, in 1..D.

        PR = (sum_k lambda_k)^2 / sum_k lambda_k^2 = (tr C)^2 / tr C^2

    At most the effective rank: it is the exponential of the entropy of order 2.

    Args:
        features: (N, D), any floating dtype.

    Returns:
        The ratio; None where all rows are the same up to rounding.

    Raises:
        ValueError: no rows, a wrong shape, or numbers that are not finite.

    Reference: Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy, Ganguli, "A theory of multineuronal dimensionality, dynamics
    and measurement", bioRxiv 214262, 2017 (the name is from the physics of localised states).

    Example:
        >>> x = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
        >>> round(participation_ratio(x), 6)
        2.0
    """
    spectrum = covariance_spectrum(features)
    if spectrum is None:
        return None
    share = spectrum / spectrum.sum()
    return 1 / share.square().sum().item()


def covariance_spectrum(features: Array) -> Tensor | None:
    """Eigenvalues (D,) of the features' covariance (over N), ascending, times a common factor.

    Returns None where the covariance is 0 up to rounding.
    """
    features = as_features("features", features)
    check_rows(features)
    dim = features.shape[1]
    # of the size 1, so that squares neither overflow nor vanish; a common factor changes no share
    largest = features.detach().abs().amax().to(torch.float64) if dim else features.new_zeros((), dtype=torch.float64)
    if largest == 0:
        return None
    offset = features[0].detach().to(torch.float64) / largest  # any row: the sum of the differences stays small
    mean = torch.zeros_like(offset)
    for x in block_rows(features):
        mean += (x / largest - offset).sum(dim=0)
    mean = offset + mean / len(features)
    covariance = mean.new_zeros(dim, dim)
    for x in block_rows(features):
        centred = x / largest - mean
        covariance += centred.T @ centred
    covariance /= len(features)
    if covariance.trace() <= ROUNDING**2:
        return None
    spectrum: Tensor = torch.linalg.eigvalsh(covariance)
    return spectrum.clamp(min=0)
