"""Bounds on the margin from the largest angle between class directions."""

import math

from ..common.checks import check_count
from ._packing import widest_angle


def cosface_margin(num_classes: int, dim: int) -> float:
    """CosFace: upper bound on a margin that every class can meet, with each feature on its class direction.

        m <= 1 - max_{i != j} cos(w_i, w_j)
           = 1 - cos(2 pi / K)   for D = 2
           = K / (K - 1)         for K <= D + 1, the regular simplex
           << K / (K - 1)        for K > D + 1, where the paper gives no number

    For the last case this is 1 - cos of the largest angle that `arcface_margin` cannot exclude: 1 up to K = 2 D, where
    it is reached, and at most 1 beyond, where in general it is not.

    Args:
        num_classes: K, at least 2.
        dim: D, at least 1.

    Returns:
        m in cosine units, in [0, 2].

    Raises:
        ValueError: an argument is out of its range.

    Reference: Wang et al., "CosFace", CVPR 2018, arXiv 1801.09414, eq. 7, proved in its supplement.

    Example:
        >>> [round(cosface_margin(k, d), 3) for k, d in ((8, 2), (10, 64), (1000, 512))]
        [0.293, 1.111, 1.0]
    """
    return 2 * math.sin(arcface_margin(num_classes, dim) / 2) ** 2  # 1 - cos, exact for small angles too


def arcface_margin(num_classes: int, dim: int) -> float:
    """ArcFace: upper bound on a margin that every class can meet, with each feature on its class direction.

        m <= min_{i != j} angle(w_i, w_j)
           = 2 pi / K                 for D = 2
           = arccos(-1 / (K - 1))     for K <= D + 1, the regular simplex
           <= pi / 2                  for K > D + 1, and less where caps of that width would not fit

    No paper on ArcFace gives a bound; this is the geometry of CosFace's eq. 7 in angles. For K > D + 1 it is what
    Rankin's theorem, Fejes Toth's for D = 3, and the area of the sphere leave, the smallest of them: an upper bound,
    reached up to K = 2 D, in general not beyond.

    Args:
        num_classes: K, at least 2.
        dim: D, at least 1.

    Returns:
        m in radians, in [0, pi].

    Raises:
        ValueError: an argument is out of its range.

    Reference: Rankin 1955 and Fejes Toth 1943, named in `widest_angle`;
    Wang et al., arXiv 1801.09414, eq. 7.

    Example:
        >>> [round(arcface_margin(k, d), 3) for k, d in ((10, 2), (3, 2), (10, 64), (12, 3), (1000, 512))]
        [0.628, 2.094, 1.682, 1.107, 1.571]
    """
    check_count("num_classes", num_classes, 2, "a margin stands between classes")
    check_count("dim", dim, 1)
    return widest_angle(num_classes, dim)


def asoftmax_margin(num_classes: int) -> float:
    """A-Softmax: least m at which the farthest features of a class are closer than the nearest of two classes.

        m >= 2 + sqrt(3)   for K = 2,   where  2 m / (m^2 - 1) <= (m - 1) / (m + 1)
        m >= 3             for K > 2,   where  2 / (m + 1) <= (m - 1) / (m + 1)

    Assumes that features fill the whole region that the margin allows, in the plane, with the class directions evenly
    around it. The loss takes whole m: the papers' 4.

    Args:
        num_classes: K, at least 2.

    Returns:
        m, a multiple of the angle.

    Raises:
        ValueError: num_classes is not a whole number of at least 2.

    Reference: Liu, Wen, Yu, Li, Raj, Song, "SphereFace: Deep Hypersphere Embedding for Face Recognition", CVPR 2017,
    arXiv 1704.08063, properties of A-Softmax. (Derived here once more; the numbers of the properties could not be
    checked.)

    Example:
        >>> round(asoftmax_margin(2), 3), asoftmax_margin(10)
        (3.732, 3.0)
    """
    check_count("num_classes", num_classes, 2, "a margin stands between classes")
    return 2 + math.sqrt(3) if num_classes == 2 else 3.0
