"""The joint loss L = L_margin + sum_k lambda_k L_k, and the centers' own update."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..common.unit_vectors import direction
from ..feature_losses.arguments import taken
from ..head import Head
from ._run import Run
from ._term import FeatureLoss

AT_THE_END = 10**9
"""A step past every warm-up."""


@runtime_checkable
class HasUpdate(Protocol):
    """A feature loss that moves something by its own rule after the backward, such as centers."""

    def update(self, features: Tensor, labels: Tensor) -> None:
        """Move it, from features (N, D) and labels (N,)."""


class Parts(NamedTuple):
    """A joint loss and what it is made of; all 0-dim.

    Attributes:
        total: to back-propagate.
        margin: L_margin.
        terms: L_k by name, without lambda.
    """

    total: Tensor
    margin: Tensor
    terms: dict[str, Tensor]


class JointLoss(nn.Module):
    """A head and any number of weighted feature losses.

    Args:
        head: the margin-softmax loss.
        terms: pairs of lambda and a feature loss, which is called with what its arguments name.

    Raises:
        ValueError: a loss must be called with something that there is not.

    Reference: Wen et al. 2016 (center loss), eq. 5, generalised.
    """

    def __init__(self, head: Head, terms: Sequence[tuple[float, FeatureLoss]]) -> None:
        super().__init__()
        self.head = head
        self.terms = list(terms)
        self._taken = [taken(loss) for _, loss in terms]
        # those with parameters or buffers are found by state_dict() through this list
        self.modules_of_terms = nn.ModuleList([loss for _, loss in terms if isinstance(loss, nn.Module)])

    def forward(self, features: Tensor, labels: Tensor) -> Parts:
        """Return the joint loss of features (N, D) and labels (N,); a part is the mean over the rows or the classes."""
        margin = self.head(features, labels)
        total, parts = margin, {}
        for (weight, loss), names in zip(self.terms, self._taken, strict=True):
            part: object = loss(**{name: self._argument(name, features, labels) for name in names})
            if not isinstance(part, Tensor) or part.dim():
                got = f"shape {tuple(part.shape)}" if isinstance(part, Tensor) else f"a {type(part).__name__}"
                raise TypeError(f"{type(loss).__name__} returned {got}, expected a 0-dim tensor: take the mean")
            parts[type(loss).__name__] = part
            total = total + weight * part
        return Parts(total, margin, parts)

    def _argument(self, name: str, features: Tensor, labels: Tensor) -> Tensor | int:
        """Return what feature losses take by this name, see `cones.feature_losses.arguments`."""
        match name:
            case "features":
                return features
            case "labels":
                return labels
            case "weight":
                return self.head.weight
            case "correct":
                return self.predict(features) == labels
            case _:
                return self.head.num_classes

    def after_backward(self, features: Tensor, labels: Tensor) -> None:
        """Line 6 of Algorithm 1: move the centers, and the memory of VPL, by neither lambda nor the learning rate."""
        losses: list[object] = [loss for _, loss in self.terms]
        for loss in losses:
            if isinstance(loss, HasUpdate):
                loss.update(features.detach(), labels)

    @torch.no_grad()
    def predict(self, features: Tensor) -> Tensor:
        """The class (N,) of each feature: the first of the largest logits."""
        return self.head.logits(features).argmax(dim=1)

    @torch.no_grad()
    def target_cosine(self, features: Tensor, labels: Tensor) -> Tensor:
        """cos theta_y (N,) of each feature to its own class's direction."""
        own, _ = direction(self.head.weight[labels].float())
        return (direction(features.float())[0] * own).sum(dim=1)


def build_loss(run: Run, counts: Sequence[int], dim: int) -> JointLoss:
    """Return the joint loss of a run, for training data with these counts per class and D dims.

    A loss of K binary problems starts from a bias of its own and cannot do without it: it gets one whether the run
    asks or not.
    """
    objective, num_classes = run.objective.for_counts(counts), len(counts)
    head = Head(
        dim,
        num_classes,
        objective.margin_at(AT_THE_END),  # whether a scale fits the classes is asked of where its warm-up ends
        bias=run.bias or objective.margin.initial_bias(num_classes) != 0,
        learn_scale=run.learn_scale,
        label_smoothing=run.label_smoothing,
        focal=run.focal,
        class_weights=balanced(counts, run.balance),
    )
    head.margin = objective.margin
    return JointLoss(head, [(term.weight, term.build(num_classes, dim)) for term in objective.terms])


def balanced(counts: Sequence[int], power: float) -> Tensor | None:
    """Weights (K,) of the classes, as their counts to the power of -power, with mean 1 over the samples; None for 0.

    Example:
        >>> balanced([90, 10], 1.0)
        tensor([0.5556, 5.0000])
    """
    if power == 0:
        return None
    samples = torch.tensor(counts, dtype=torch.float32)
    weights = torch.where(samples > 0, samples.clamp(min=1) ** -power, 0)
    return weights * samples.sum() / (weights * samples).sum()
