"""The largest angle between K directions in D dims: the geometry behind every bound on a margin."""

import math


def widest_angle(num_classes: int, dim: int) -> float:
    """Upper bound on the smallest angle between K directions in D dims, in radians.

        K <= D + 1:  arccos(-1 / (K - 1)), the regular simplex            reached
        D = 2:       2 pi / K                                             reached
        K <= 2 D:    pi / 2, axes and their opposites                     reached
        K > 2 D:     the smaller of pi / 2 and what disjoint caps allow,  in general not reached
                     sin(angle / 2)^(D - 1) <= 2 sqrt(pi) Gamma((D + 1) / 2) / (Gamma(D / 2) K)
        D = 3:       arccos((cot(omega)^2 - 1) / 2), omega = K pi / (6 (K - 2)), reached for K = 3, 4, 6, 12

    Caps of half the smallest angle around the directions do not overlap, so that K times the area of one is at most
    the sphere's; and a cap is larger than the flat disc it stands on. On a line there are two directions alone.

    Args:
        num_classes: K, at least 2.
        dim: D, at least 1.

    Returns:
        radians, in [0, pi].

    Reference: Rankin, "The closest packing of spherical caps in n dimensions", Proceedings of the Glasgow
    Mathematical Association 2, 1955 (K <= 2 D); Fejes Toth, "Über eine Abschätzung des kürzesten Abstandes zweier
    Punkte eines auf einer Kugelfläche liegenden Punktsystems", Jahresbericht der DMV 53, 1943 (D = 3).

    Example:
        >>> [round(math.degrees(widest_angle(k, d)), 1) for k, d in ((10, 2), (4, 3), (12, 3), (10, 9), (1000, 64))]
        [36.0, 109.5, 63.4, 96.4, 90.0]
    """
    if num_classes <= dim + 1:
        return math.acos(-1 / (num_classes - 1))
    if dim == 1:
        return 0.0
    if dim == 2:
        return 2 * math.pi / num_classes
    if dim == 3:
        omega = num_classes * math.pi / (6 * (num_classes - 2))
        return min(math.pi / 2, math.acos((1 / math.tan(omega) ** 2 - 1) / 2))
    disc = math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2) + math.log(2 * math.sqrt(math.pi) / num_classes)
    sine = math.exp(disc / (dim - 1))
    return math.pi / 2 if sine >= math.sqrt(0.5) else 2 * math.asin(sine)
