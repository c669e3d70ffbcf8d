"""The joint loss L = L_margin + sum_k lambda_k L_k, and the centers' own update."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..feature_losses import (
    MHE,
    UNPG,
    VPL,
    BatchCOCO,
    CenterLoss,
    CirclePairs,
    ContrastiveAgents,
    ContrastiveCenter,
    DiscFace,
    FeatureIncay,
    RegularFace,
    RingLoss,
    TripletAgents,
)
from ..geometry import direction
from ..head import Head
from ._objective import FeatureLoss, Objective


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
        terms: pairs of lambda and a feature loss.

    Reference: Wen et al. 2016 (center loss), eq. 5, generalised.
    """

    def __init__(self, head: Head, terms: Sequence[tuple[float, FeatureLoss]]) -> None:
        super().__init__()
        self.head = head
        self.terms = list(terms)
        # those with parameters or buffers are found by state_dict() through this list
        self.modules_of_terms = nn.ModuleList([loss for _, loss in terms if isinstance(loss, nn.Module)])

    def forward(self, features: Tensor, labels: Tensor) -> Parts:
        """The joint loss of features (N, D) and labels (N,), each part the mean over the rows or over the classes."""
        margin = self.head(features, labels)
        total, parts = margin, {}
        for weight, loss in self.terms:
            part = self._part(loss, features, labels)
            parts[type(loss).__name__] = part
            total = total + weight * part
        return Parts(total, margin, parts)

    def _part(self, loss: FeatureLoss, features: Tensor, labels: Tensor) -> Tensor:
        """One feature loss, called with what it looks at."""
        part: Tensor
        match loss:
            case RingLoss():
                part = loss(features)
            case FeatureIncay():
                part = loss(features, self.predict(features) == labels)
            case CenterLoss() | ContrastiveCenter() | CirclePairs():
                part = loss(features, labels)
            case BatchCOCO():
                part = loss(features, labels, self.head.num_classes)
            case ContrastiveAgents() | TripletAgents() | DiscFace() | UNPG() | VPL():
                part = loss(features, self.head.weight, labels)
            case MHE() | RegularFace():
                part = loss(self.head.weight)
            case _:
                raise TypeError(f"JointLoss does not know what to call {type(loss).__name__} with: add it to _part")
        return part

    def after_backward(self, features: Tensor, labels: Tensor) -> None:
        """Line 6 of Algorithm 1: move the centers, and what VPL remembers, by neither lambda nor the learning rate."""
        for _, loss in self.terms:
            if isinstance(loss, CenterLoss | VPL):
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


def build_loss(
    objective: Objective, num_classes: int, dim: int, *, bias: bool = False, learn_scale: bool = False
) -> JointLoss:
    """The joint loss of an objective for K classes and D dims."""
    head = Head(dim, num_classes, objective.margin, bias=bias, learn_scale=learn_scale)
    return JointLoss(head, [(term.weight, term.build(num_classes, dim)) for term in objective.terms])
