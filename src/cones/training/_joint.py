"""The joint loss L = L_margin + sum_k lambda_k L_k, and the centers' own update."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..common.all_ranks import stacked
from ..common.unit_vectors import direction
from ..engine.collective import gather, scale_gradient
from ..engine.ranks import Group, count, shard
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


class Batch(NamedTuple):
    """Rows of all ranks, M of them, and which of them are this rank's."""

    features: Tensor
    labels: Tensor
    own: slice


class Parts(NamedTuple):
    """A joint loss and what it is made of; losses are 0-dim.

    Attributes:
        total: to back-propagate.
        margin: L_margin.
        terms: L_k by name, without lambda.
        batch: the rows of all ranks, where there are terms; None otherwise.
    """

    total: Tensor
    margin: Tensor
    terms: dict[str, Tensor]
    batch: Batch | None = None


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
        """Return the joint loss of features (N, D) and labels (N,); a part is the mean over the rows or the classes.

        Where the head shares its classes among processes, each passes its own rows. Its margin loss is weighted by its
        share of all rows, and a feature loss is that of all rows on every rank, so that averaged over the ranks, as
        DistributedDataParallel averages, total and gradients are those of one process with all rows.
        """
        margin = self.head(features, labels)
        rows = self._rows(labels)
        total, parts = margin * self._share(labels, rows), {}
        batch = self._batch(features, labels, rows) if self.terms else None
        values: dict[str, Tensor | int] = {}
        for (weight, loss), names in zip(self.terms, self._taken, strict=True):
            assert batch is not None
            values |= {name: self._argument(name, batch) for name in names if name not in values}
            part: object = loss(**{name: values[name] for name in names})
            if not isinstance(part, Tensor) or part.dim():
                got = f"shape {tuple(part.shape)}" if isinstance(part, Tensor) else f"a {type(part).__name__}"
                raise TypeError(f"{type(loss).__name__} returned {got}, expected a 0-dim tensor: take the mean")
            parts[type(loss).__name__] = part
            total = total + weight * part
        return Parts(total, margin, parts, batch)

    def _rows(self, labels: Tensor) -> list[int]:
        """Rows of each rank."""
        group = self.head.group
        return [len(labels)] if group is None else count(len(labels), 0, group, labels.device).rows

    def _share(self, labels: Tensor, rows: list[int]) -> float | Tensor:
        """Weight of this rank's mean, so that the average over the ranks is the mean over all rows: P n_r / N."""
        group, weights = self.head.group, self.head.class_weights
        if group is None:
            return 1.0
        if weights is None:
            return len(rows) * len(labels) / max(sum(rows), 1)
        mine = weights[labels].sum().double()
        return mine * len(rows) / stacked(mine, group).sum().clamp(min=torch.finfo(torch.float64).tiny)

    def _batch(self, features: Tensor, labels: Tensor, rows: list[int]) -> Batch:
        """The rows of all ranks, differentiable in the features."""
        group = self.head.group
        if group is None:
            return Batch(features, labels, slice(None))
        (everyone,), (everyones_labels,) = (gather([part], [rows], group) for part in (features, labels))
        start = sum(rows[: dist.get_rank(group)])
        return Batch(everyone, everyones_labels, slice(start, start + len(labels)))

    def _argument(self, name: str, batch: Batch) -> Tensor | int:
        """Return what feature losses take by this name, see `cones.feature_losses.arguments`."""
        match name:
            case "features":
                return batch.features
            case "labels":
                return batch.labels
            case "weight":
                return self._whole_weight()
            case "correct":
                return self._predict_all(batch.features) == batch.labels
            case _:
                return self.head.num_classes

    def _whole_weight(self) -> Tensor:
        """W (K * S, D) of all ranks, whose gradient is the average over the ranks."""
        group, weight = self.head.group, self.head.weight
        if group is None:
            return weight
        world = dist.get_world_size(group)
        ranges = (shard(self.head.num_classes, rank, world) for rank in range(world))
        (whole,) = gather([weight], [[(stop - start) * self.head.subcenters for start, stop in ranges]], group)
        return scale_gradient(whole, 1 / world)

    def shares(self) -> set[Tensor]:
        """Parameters of which each rank holds the rows of its own classes."""
        head = self.head
        if head.group is None:
            return set()
        return {head.weight} | ({head.bias} if head.bias is not None and head.bias.dim() else set())

    @torch.no_grad()
    def after_backward(self, features: Tensor, labels: Tensor, parts: "Parts | None" = None) -> None:
        """Line 6 of Algorithm 1: move the centers, and the memory of VPL, by neither lambda nor the learning rate.

        Args:
            features: (N, D), of the batch just back-propagated.
            labels: (N,).
            parts: its joint loss, which has gathered the rows of all ranks already; None gathers them.
        """
        losses: list[object] = [loss for _, loss in self.terms]
        moving = [loss for loss in losses if isinstance(loss, HasUpdate)]
        if moving:
            gathered = None if parts is None else parts.batch
            batch = self._batch(features, labels, self._rows(labels)) if gathered is None else gathered
            for loss in moving:
                loss.update(batch.features.detach(), batch.labels)

    @torch.no_grad()
    def predict(self, features: Tensor) -> Tensor:
        """The class (N,) of each feature: the first of the largest logits."""
        if self.head.group is None:
            return self._predict_all(features)
        nowhere = torch.zeros(len(features), dtype=torch.long, device=features.device)
        batch = self._batch(features, nowhere, self._rows(nowhere))
        return self._predict_all(batch.features)[batch.own]

    @torch.no_grad()
    def _predict_all(self, features: Tensor) -> Tensor:
        """The class (M,) of each row of all ranks; every rank passes the same."""
        best, group = self.head.local_logits(features).max(dim=1), self.head.group
        if group is None:
            return best.indices
        values = stacked(best.values, group)
        numbers = stacked(best.indices + self.head.classes.start, group)
        numbers = numbers.masked_fill(values < values.amax(dim=0), self.head.num_classes)
        return numbers.amin(dim=0)

    @torch.no_grad()
    def target_cosine(self, features: Tensor, labels: Tensor) -> Tensor:
        """cos theta_y (N,) of each feature to its own class's direction, the nearest of several."""
        batch, head = self._batch(features, labels, self._rows(labels)), self.head
        local = batch.labels - head.classes.start
        here = (local >= 0) & (local < len(head.classes))
        centers = head.weight.unflatten(0, (-1, head.subcenters))[local[here]].float()
        cosines = (direction(batch.features[here].float())[0][:, None] * direction(centers)[0]).sum(dim=2).amax(dim=1)
        found = cosines.new_zeros(len(local)).index_put((here.nonzero().squeeze(1),), cosines)
        return (found if head.group is None else stacked(found, head.group).sum(dim=0))[batch.own]


def build_loss(run: Run, counts: Sequence[int], dim: int, group: Group = None) -> JointLoss:
    """Return the joint loss of a run, for training data with these counts per class and D dims.

    A loss of K binary problems starts from a bias of its own and cannot do without it: it gets one whether the run
    asks or not. With a process group its ranks share the classes.
    """
    objective, num_classes = run.objective.for_counts(counts), len(counts)
    head = Head(
        dim,
        num_classes,
        objective.margin_at(AT_THE_END),  # whether a scale fits the classes is asked of where its warm-up ends
        bias=run.bias or objective.margin.initial_bias(num_classes) != 0,
        learn_scale=run.learn_scale,
        subcenters=run.subcenters,
        sample_rate=run.sample_rate,
        label_smoothing=run.label_smoothing,
        focal=run.focal,
        class_weights=balanced(counts, run.balance),
        group=group,
    )
    head.margin = objective.margin
    terms = [(term.weight, term.build(num_classes, dim)) for term in objective.terms]
    for _, loss in terms:
        if run.subcenters > 1 and "weight" in taken(loss):
            raise ValueError(
                f"{type(loss).__name__} takes one weight per class, but subcenters is {run.subcenters}: set it to 1"
            )
    return JointLoss(head, terms)


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
