"""A margin seen from outside: its logits at chosen angles, feature norms and classes, which pages and figures show.

Logits are divided by what multiplies a similarity (the scale, and the norm of a raw feature), so that without a margin
they are cos(theta). Weights have norm 1. N rows, C other classes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..margins import Margin, Rows

NUM_CLASSES = 10
NORMS = (1.0, 10.0, 40.0, 110.0)
USUAL_NORM = 10.0
OWN_ANGLES = (30, 60, 90)
"""Degrees to the own class at which a margin that bends the other classes is shown."""

REPEATS = 2048
"""Draws over which a margin that draws at random is averaged."""


class View(NamedTuple):
    """Where a margin is looked at.

    Attributes:
        feature_norm: of every row.
        label: the own class of every row.
    """

    feature_norm: float = USUAL_NORM
    label: int = 0


def own_logits(margin: Margin, cosine: Tensor, view: View | None = None) -> Tensor:
    """t / s of rows with `cosine` (N,) to their own class, class bias included: (N,), the mean over random draws."""
    view = view or View()
    return (_targets(margin, cosine, view) + _bias(margin, view.label)) / unit(margin, view)


def other_logits(
    margin: Margin, own_cosine: Tensor, cosine: Tensor, view: View | None = None, other: int = 1
) -> Tensor:
    """o_j / s (N, C) of a class `other` at `cosine` (C,), class bias included, for rows at `own_cosine` (N,)."""
    view = view or View()
    rows = _rows(margin, own_cosine, view)
    target = _targets(margin, own_cosine, view)
    similarity = (cosine * length(margin, view)).expand(len(own_cosine), -1)
    return (margin.others(similarity, target, rows) + _bias(margin, other)) / unit(margin, view)


def lead(margin: Margin, own_cosine: Tensor, cosine: Tensor, view: View | None = None, other: int = 1) -> Tensor:
    """How far a row is right, margin included: at least 0 where it is; (N, C), arguments as `other_logits`.

    The own logit less the other's. Where every class is a yes or no of its own, both answers must be right: the smaller
    of the own logit and the other's negative, with the bias as it starts.
    """
    view = view or View()
    own = own_logits(margin, own_cosine, view)[:, None]
    others = other_logits(margin, own_cosine, cosine, view, other)
    if not asks_yes_or_no(margin):
        return own - others
    bias = margin.initial_bias(NUM_CLASSES) / unit(margin, view)
    return torch.minimum(own + bias, -others - bias)


def statistics(margin: Margin) -> Mapping[str, Tensor]:
    """The margin's running numbers as they start, 0-dim float64."""
    return {n: torch.tensor(v, dtype=torch.float64) for n, v in margin.init_statistics(NUM_CLASSES).items()}


def length(margin: Margin, view: View) -> float:
    """What a cosine is multiplied by to be a similarity: the feature's norm where the margin takes features as they
    are."""
    return view.feature_norm if margin.features == "raw" else 1.0


def unit(margin: Margin, view: View) -> Tensor:
    """What logits are divided by: scale and length, 0-dim float64."""
    scale = torch.as_tensor(margin.scale_with(statistics(margin)), dtype=torch.float64).detach()
    return scale * length(margin, view)


def views(margin: Margin) -> list[View]:
    """Where the margin has to be looked at: one place, unless its own logit depends on feature norm or class."""
    by_class = [View(), View(label=NUM_CLASSES - 1)]
    if _differ([own_logits(margin, _cosines(), view) for view in by_class]):
        return by_class
    return [View(feature_norm=norm) for norm in NORMS] if depends_on_norm(margin) else [View()]


def asks_yes_or_no(margin: Margin) -> bool:
    """Whether every class is a yes or no of its own: the larger its logit, the larger the loss of a row of another."""
    if margin.combine == "softmax":
        return False
    logits = torch.linspace(-5, 5, 11, dtype=torch.float64)
    return bool((margin.class_loss(logits[None]).squeeze(0).diff() > 0).all())


def keeps_a_band(margin: Margin) -> bool:
    """Whether a row between two classes can be right for neither."""
    return bool((lead(margin, _cosines(), _cosines()).diagonal() < -1e-9).any())


def depends_on_norm(margin: Margin) -> bool:
    """Whether longer features get another logit, beyond what their length multiplies."""
    by_norm = [View(feature_norm=norm) for norm in NORMS]
    return _differ([_targets(margin, _cosines(), view) / unit(margin, view) for view in by_norm])


def bends_others(margin: Margin) -> bool:
    """Whether the logits of the other classes are more than their scaled similarity and a bias."""
    cosine = _cosines()
    own = torch.tensor([0.9, 0.5, 0.0], dtype=torch.float64)
    plain = cosine + _bias(margin, 1) / unit(margin, View())
    return not torch.allclose(other_logits(margin, own, cosine), plain.expand(len(own), -1))


def draws_at_random(margin: Margin) -> bool:
    """Whether the same row gets another logit each time."""
    rows = _rows(margin, _cosines(), View())
    with torch.random.fork_rng(devices=[]):
        return not torch.equal(margin.target(rows.similarity, rows), margin.target(rows.similarity, rows))


def asks_for_rest(margin: Margin) -> bool:
    """Whether its running numbers need another product with W."""
    asked = []

    def rest() -> Tensor:
        asked.append(True)
        return torch.zeros(4, dtype=torch.float64)

    margin.update_statistics(statistics(margin), _rows(margin, torch.linspace(0, 0.9, 4).double(), View()), rest)
    return bool(asked)


def _differ(several: list[Tensor]) -> bool:
    return any(not torch.allclose(several[0], other, rtol=1e-6, atol=1e-6) for other in several[1:])


def _targets(margin: Margin, cosine: Tensor, view: View) -> Tensor:
    """What the margin's `target` returns for rows at `cosine` (N,); the mean over draws where it draws at random."""
    repeats = REPEATS if draws_at_random(margin) else 1
    rows = _rows(margin, cosine.repeat(repeats), view)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return margin.target(rows.similarity, rows).view(repeats, -1).mean(dim=0)


def _rows(margin: Margin, cosine: Tensor, view: View) -> Rows:
    ones = torch.ones_like(cosine)
    labels = torch.full_like(cosine, view.label, dtype=torch.long)
    rows = Rows(cosine * length(margin, view), view.feature_norm * ones, ones, labels, statistics(margin))
    return rows._replace(
        others_summaries=tuple(0 * ones for _ in margin.others_summaries())
    )  # as if there were no other class


def _bias(margin: Margin, label: int) -> Tensor | float:
    bias = margin.class_bias(NUM_CLASSES)
    return 0.0 if bias is None else bias[label].double()


def _cosines() -> Tensor:
    return torch.linspace(-0.95, 0.95, 39, dtype=torch.float64)
