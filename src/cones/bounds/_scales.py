"""Bounds on the scale from the probability or loss that a feature on its class direction can reach."""

import math

from ..common.checks import check_count, check_positive, check_probability


def l2_softmax_scale(num_classes: int, probability: float = 0.9) -> float:
    """L2-softmax: least scale at which a feature can reach a probability.

        P = e^s / (e^s + K - 2 + e^-s)   =>   s >= log(P (K - 2) / (1 - P))

    Assumes one class opposite to the feature, at cosine -1, and all others at right angles; the term e^-s of the
    opposite class is then left out, so that two classes have no bound.

    Args:
        num_classes: K, at least 3.
        probability: P, in (0, 1).

    Returns:
        s; 0 where any scale does.

    Raises:
        ValueError: an argument is out of its range.

    Reference: Ranjan, Castillo, Chellappa, "L2-constrained Softmax Loss for Discriminative Face Verification",
    arXiv 1703.09507, the lower bound on alpha. (The formula stands so in several public implementations; the number
    of the equation could not be checked.)

    Example:
        >>> [round(l2_softmax_scale(k), 3) for k in (10, 100, 1000, 13403)]
        [4.277, 6.782, 9.103, 11.7]
    """
    check_count("num_classes", num_classes, 3, "use cosface_scale, which holds for 2 classes")
    check_probability("probability", probability)
    return max(0.0, math.log(num_classes - 2) + log_odds(probability))


def normface_loss(num_classes: int, scale: float) -> float:
    """NormFace: lower bound on the softmax loss of unit features and unit class weights.

        L >= log(1 + (K - 1) exp(-s K / (K - 1)))

    Reached when every feature lies on its class direction and these form a regular simplex, all at cosine
    -1 / (K - 1) to each other, which takes D >= K - 1.

    Args:
        num_classes: K, at least 1.
        scale: s, above 0; the paper's l squared.

    Returns:
        the mean loss of classes that are equally frequent; 0 for one class.

    Raises:
        ValueError: an argument is out of its range.

    Reference: Wang, Xiang, Cheng, Yuille, "NormFace: L2 Hypersphere Embedding for Face Verification", ACM MM 2017,
    arXiv 1704.06369, Proposition 2.

    Example:
        >>> round(normface_loss(10575, scale=1.0), 2), round(normface_loss(10575, scale=20.0), 6)
        (8.27, 2.2e-05)
    """
    check_count("num_classes", num_classes, 1)
    check_positive("scale", scale)
    if num_classes == 1:
        return 0.0
    exponent = math.log(num_classes - 1) - scale * num_classes / (num_classes - 1)
    return max(exponent, 0.0) + math.log1p(math.exp(-abs(exponent)))


def coco_scale(num_classes: int, epsilon: float = 1e-4) -> float:
    """COCO: least scale at which the loss can be as small as epsilon.

        log(1 + (K - 1) e^(-2 s)) <= epsilon   =>   s >= log((K - 1) / (e^epsilon - 1)) / 2

    Assumes cosine -1 to every other class, which more than two classes cannot have: `normface_loss` is tight.

    Args:
        num_classes: K, at least 1.
        epsilon: the loss, above 0.

    Returns:
        s; 0 where any scale does.

    Raises:
        ValueError: an argument is out of its range.

    Reference: Liu, Li, Wang, "Rethinking Feature Discrimination and Polymerization for Large-scale Recognition",
    arXiv 1710.00870, the optimal scale. (Neither the number of the equation nor epsilon could be checked.)

    Example:
        >>> [round(coco_scale(k), 2) for k in (10, 1000, 10_000)]
        [5.7, 8.06, 9.21]
    """
    check_count("num_classes", num_classes, 1)
    check_positive("epsilon", epsilon)
    if num_classes == 1:
        return 0.0
    # log(e^epsilon - 1), for any size of epsilon
    return max(0.0, (math.log(num_classes - 1) - epsilon - math.log(-math.expm1(-epsilon))) / 2)


def cosface_scale(num_classes: int, probability: float = 0.9) -> float:
    """CosFace: least scale at which all class directions can reach a probability, before any margin.

        s >= (K - 1) / K log((K - 1) P / (1 - P))

    Reached by the regular simplex alone, which takes D >= K - 1; everything else needs more.

    Args:
        num_classes: K, at least 1.
        probability: P, in (0, 1), the least probability of a feature on its class direction.

    Returns:
        s; 0 where any scale does.

    Raises:
        ValueError: an argument is out of its range.

    Reference: Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018,
    arXiv 1801.09414, eq. 6, proved in its supplement.

    Example:
        >>> [round(cosface_scale(k), 3) for k in (2, 10, 1000)]
        [1.099, 3.955, 9.095]
    """
    check_count("num_classes", num_classes, 1)
    check_probability("probability", probability)
    if num_classes == 1:
        return 0.0
    return max(0.0, (num_classes - 1) / num_classes * (math.log(num_classes - 1) + log_odds(probability)))


def adacos_scale(num_classes: int) -> float:
    """AdaCos: the fixed scale at which the probability is one half, and steepest, at 45 degrees from the class.

        s = sqrt(2) log(K - 1)

    Assumes all other classes at right angles, so that e^(s cos(pi / 4)) = K - 1. Two classes would have scale 0: up
    to three classes it is that of three.

    Args:
        num_classes: K, at least 1.

    Returns:
        s.

    Raises:
        ValueError: num_classes is not a whole number of at least 1.

    Reference: Zhang, Zhao, Qiao, Wang, Li, "AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep
    Face Representations", CVPR 2019, arXiv 1905.00292, eq. 12.

    Example:
        >>> [round(adacos_scale(k), 2) for k in (3, 10, 1000, 85_000)]
        [0.98, 3.11, 9.77, 16.05]
    """
    check_count("num_classes", num_classes, 1)
    return math.sqrt(2) * math.log(max(num_classes, 3) - 1)


def log_odds(probability: float) -> float:
    """log(P / (1 - P))."""
    return math.log(probability) - math.log1p(-probability)
