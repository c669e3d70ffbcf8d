"""Properties and curves of a margin for its page and its figures, in units in which no margin is cos(theta).

Logits are divided by what multiplies a cosine: the scale, and the norm of a raw feature. R rows, C other classes.
"""

import torch
from torch import Tensor

from ..margins import Margin
from .at_angles import NUM_CLASSES, MarginProbe

NORMS = (1.0, 10.0, 40.0, 110.0)
OWN_ANGLES = (30, 60, 90)
"""Degrees to the own class at which a margin that bends the other classes is shown."""

REPEATS = 2048
"""Draws over which a margin that draws at random is averaged."""


def own_logits(probe: MarginProbe, cosine: Tensor) -> Tensor:
    """t / s of rows at `cosine` (R,) to their own class, class bias included: (R,), the mean over random draws."""
    return (_targets(probe, cosine) + _bias(probe.margin, probe.label)) / probe.neutral


def other_logits(probe: MarginProbe, own_cosine: Tensor, cosine: Tensor, other: int = 1) -> Tensor:
    """o_j / s (R, C) of a class `other` at `cosine` (C,), class bias included, for rows at `own_cosine` (R,)."""
    target = _targets(probe, own_cosine)
    logits = probe.others(cosine.expand(len(own_cosine), -1), own_cosine, target)
    return (logits + _bias(probe.margin, other)) / probe.neutral


def lead(probe: MarginProbe, own_cosine: Tensor, cosine: Tensor, other: int = 1) -> Tensor:
    """Lead of the own class with its margin, at least 0 where a row is right: (R, C), arguments as `other_logits`.

    The own logit less the other's. Where every class is a yes or no of its own, both answers must be right: the smaller
    of the own logit and the other's negative, with the bias as it starts.
    """
    own = own_logits(probe, own_cosine)[:, None]
    others = other_logits(probe, own_cosine, cosine, other)
    if not asks_yes_or_no(probe.margin):
        return own - others
    bias = probe.margin.initial_bias(NUM_CLASSES) / probe.neutral
    return torch.minimum(own + bias, -others - bias)


def probes(margin: Margin) -> list[MarginProbe]:
    """Probes that show all of a margin: one, unless its own logit depends on the feature's norm or on the class."""
    by_class = [MarginProbe(margin), MarginProbe(margin, label=NUM_CLASSES - 1)]
    if _differ([own_logits(probe, _cosines()) for probe in by_class]):
        return by_class
    return _by_norm(margin) if depends_on_norm(margin) else [MarginProbe(margin)]


def asks_yes_or_no(margin: Margin) -> bool:
    """Tell whether each class is a yes or no of its own: a larger logit is a larger loss for rows of the others."""
    if margin.combine == "softmax":
        return False
    logits = torch.linspace(-5, 5, 11, dtype=torch.float64)
    return bool((margin.class_loss(logits[None]).squeeze(0).diff() > 0).all())


def keeps_a_band(margin: Margin) -> bool:
    """Tell whether a row between two classes can be right for neither."""
    return bool((lead(MarginProbe(margin), _cosines(), _cosines()).diagonal() < -1e-9).any())


def depends_on_norm(margin: Margin) -> bool:
    """Tell whether longer features get another logit, beyond the factor of their length."""
    return _differ([_targets(probe, _cosines()) / probe.neutral for probe in _by_norm(margin)])


def bends_others(margin: Margin) -> bool:
    """Tell whether the logits of the other classes are more than their scaled similarity and a bias."""
    probe, cosine = MarginProbe(margin), _cosines()
    own = torch.tensor([0.9, 0.5, 0.0], dtype=torch.float64)
    plain = cosine + _bias(margin, 1) / probe.neutral
    return not torch.allclose(other_logits(probe, own, cosine), plain.expand(len(own), -1))


def draws_at_random(margin: Margin) -> bool:
    """Tell whether the same row gets another logit each time."""
    with torch.random.fork_rng(devices=[]):
        rows = [MarginProbe(margin).rows(_cosines()) for _ in range(2)]
        one, other = (margin.target(each.similarity, each) for each in rows)
    return not torch.equal(one, other)


def asks_for_rest(margin: Margin) -> bool:
    """Tell whether the running numbers need another product with W."""
    asked = []

    def rest() -> Tensor:
        asked.append(True)
        return torch.zeros(4, dtype=torch.float64)

    probe = MarginProbe(margin)
    margin.update_statistics(probe.numbers, probe.rows(torch.linspace(0, 0.9, 4).double()), rest)
    return bool(asked)


def _by_norm(margin: Margin) -> list[MarginProbe]:
    return [MarginProbe(margin, feature_norm=norm) for norm in NORMS]


def _differ(several: list[Tensor]) -> bool:
    return any(not torch.allclose(several[0], other, rtol=1e-6, atol=1e-6) for other in several[1:])


def _targets(probe: MarginProbe, cosine: Tensor) -> Tensor:
    """Target logits of rows at `cosine` (R,); the mean over draws where the margin draws at random."""
    repeats = REPEATS if draws_at_random(probe.margin) else 1
    return probe.target(cosine.repeat(repeats)).view(repeats, -1).mean(dim=0)


def _bias(margin: Margin, label: int) -> Tensor | float:
    bias = margin.class_bias(NUM_CLASSES)
    return 0.0 if bias is None else bias[label].double()


def _cosines() -> Tensor:
    return torch.linspace(-0.95, 0.95, 39, dtype=torch.float64)
