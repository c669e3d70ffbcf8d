from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..common.buffers import restore_precision
from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction
from ..common.watching import UpdateWatch
from ..engine.checks import check_arguments, check_labels, check_tensor
from ..engine.draws import draw_seed
from ..engine.losses import losses_over
from ..engine.planner import MEMORY_BUDGET
from ..engine.reduction import reduce
from ..engine.step import EngineOptions, LocalClasses, Step, added_to_logits
from ..margins import ArcFace, Margin


class VPL(nn.Module):
    """Variational prototype learning: a class is met at a place between its weight and one of its own features.

        p_j = |w_j| direction((1 - l_j) w_j / |w_j| + l_j M_j)
        l_j = lambda while t > start and t - t_j <= delta, else 0

    M_j is the last feature of class j, of unit length, and t_j the step that saw it; t is the step now. The loss is
    that of a margin over the prototypes p_j in the place of w_j, so that samples are compared with samples too.
    Gradients reach w through the mixing; M has none. The authors' prototypes are of unit length; that of w_j, kept
    here, matters only to a margin that does not normalise its weights, and before `start` the loss is the margin's own.

    This is a whole loss: it takes the place of a margin-softmax loss, on the same weight. Call `update` after the
    backward, as with CenterLoss: it is what counts the steps. A class that has never been seen is not mixed. Takes a
    few arrays of K x D; the classes are all here, with one center each.

    Args:
        num_classes: K.
        dim: D.
        margin: any; None for ArcFace(). Its running numbers, where it has some, are buffers here.
        share: lambda, in [0, 1).
        delta: for how many steps a feature counts.
        start: steps without mixing, until features drift slowly.

    Attributes:
        memory: M, (K, D) buffer, starts at 0.
        seen: t_j, (K,) int64 buffer, 0 for never.
        steps: updates so far, 0-dim int64 buffer.

    Raises:
        TypeError, ValueError: an argument is out of its range.

    When to use: Late in training on many classes: the features seen last move the class directions they are compared
    with, so that features also meet features.

    Reference: Deng et al., "Variational Prototype Learning for Deep Face Recognition", CVPR 2021. The rule and the
    defaults are those of the authors' code; the paper's text could not be checked.

    Example:
        >>> from cones import NormFace
        >>> loss = VPL(num_classes=2, dim=2, margin=NormFace(scale=1.0), share=0.5, start=0)
        >>> w, x, y = torch.eye(2), torch.tensor([[0.0, 3.0]]), torch.tensor([0])
        >>> loss.update(x, y)               # class 0 was last seen at (0, 1)
        >>> loss.prototypes(w)
        tensor([[0.7071, 0.7071],
                [0.0000, 1.0000]])
    """

    memory: Tensor
    seen: Tensor
    steps: Tensor

    def __init__(
        self,
        num_classes: int,
        dim: int,
        *,
        margin: Margin | None = None,
        share: float = 0.15,
        delta: int = 200,
        start: int = 8000,
    ) -> None:
        super().__init__()
        if num_classes < 1 or dim < 1:
            raise ValueError(f"VPL: num_classes is {num_classes} and dim {dim}, expected at least 1 each")
        if margin is not None and not isinstance(margin, Margin):
            raise TypeError(f"VPL: margin is {margin!r}, expected a cones.Margin such as ArcFace(), or None for that")
        if not 0 <= share < 1:
            raise ValueError(f"VPL: share is {share}, expected a number in [0, 1)")
        for name, count in (("delta", delta), ("start", start)):
            if count < 0:
                raise ValueError(f"VPL: {name} is {count}, expected a number of steps of at least 0")
        self.margin = ArcFace() if margin is None else margin
        self.share, self.delta, self.start = share, delta, start
        self.register_buffer("memory", torch.zeros(num_classes, dim))
        self.register_buffer("seen", torch.zeros(num_classes, dtype=torch.long))
        self.register_buffer("steps", torch.tensor(0))
        self.margin.check(num_classes)
        statistics = self.margin.init_statistics(num_classes)
        self._statistics = list(statistics)
        for name, value in statistics.items():
            self.register_buffer(f"running_{name}", torch.tensor(value, dtype=torch.float32))
        self._watch = UpdateWatch(
            "VPL", "no step is counted and no feature remembered, so that this is the bare margin"
        )

    def forward(self, features: Tensor, weight: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of features (N, D) and labels (N,) over the weight (K, D): (N,), or reduced to 0-dim.

        Raises:
            TypeError, ValueError: dtypes, shapes, labels or reduction are wrong.
        """
        check_arguments(features, weight, labels, self.margin, None)
        if self.training:
            self._watch.look(features, self.steps)
        prototypes, labels = self.prototypes(weight), labels.long()
        bias = added_to_logits(self.margin, None, len(weight), weight, None)
        classes = LocalClasses(prototypes, bias, subcenters=1, local_labels=labels, ranks=None)
        options, updates = EngineOptions(MEMORY_BUDGET, compute_dtype=None), self.training and bool(self._statistics)
        seed = draw_seed() if self.margin.draws else None
        step = Step(labels, self.margin, classes, self.statistics(), options, update_statistics=updates, seed=seed)
        losses, statistics = losses_over(features, step)
        for name, value in statistics.items() if updates else ():
            getattr(self, f"running_{name}").copy_(value)
        return reduce(losses, reduction)

    def prototypes(self, weight: Tensor) -> Tensor:
        """p (K, D) of the step now, from weight (K, D); before `start` that is weight itself."""
        if weight.shape != self.memory.shape:
            raise ValueError(
                f"weight has shape {tuple(weight.shape)}, expected {tuple(self.memory.shape)}: one row per class, as "
                f"VPL was built for"
            )
        now = int(self.steps) + 1
        if now <= self.start:
            return weight
        unit, length = direction(weight.to(working_dtype(weight, self.memory)))
        counts = (self.seen > 0) & (now - self.seen <= self.delta)
        share = self.share * counts[:, None].to(unit.dtype)
        mixed, _ = direction((1 - share) * unit + share * self.memory.to(unit.dtype))
        # the length of a row of huge numbers may itself be infinite
        return mixed * length.clamp(max=torch.finfo(length.dtype).max)[:, None]

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> None:
        """Count a step and remember the last of each class's features (N, D), labels (N,).

        These are the features of the batch just back-propagated, or those of a slower copy of the net.
        """
        num_classes, dim = self.memory.shape
        check_tensor("features", features)
        if features.dim() != 2 or features.shape[1] != dim:
            raise ValueError(f"features has shape {tuple(features.shape)}, expected (N, {dim}): VPL has dim={dim}")
        check_labels(labels, len(features), num_classes)
        self._watch.updated()
        self.steps += 1
        labels, rows = labels.long(), torch.arange(len(labels), device=labels.device)
        # several rows of a class: the last one, whatever the order that a device writes in
        last = torch.full_like(self.seen, -1).scatter_reduce_(0, labels, rows, "amax")
        present = (last >= 0).nonzero().squeeze(1)
        unit, _ = direction(features[last[present]].to(working_dtype(features, self.memory)))
        self.memory[present] = unit.to(self.memory.dtype)
        self.seen[present] = self.steps

    def statistics(self) -> dict[str, Tensor]:
        """The margin's running numbers by name, 0-dim."""
        return {name: getattr(self, f"running_{name}").clone() for name in self._statistics}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "VPL":
        """Move and cast; the margin's running numbers stay float32 at least."""
        before = {name: buffer for name, buffer in self.named_buffers(recurse=False) if name.startswith("running_")}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        restore_precision(self, before, may_widen=True)
        return self

    def extra_repr(self) -> str:
        """Fields that `print` shows."""
        num_classes, dim = self.memory.shape
        sizes = f"num_classes={num_classes}, dim={dim}, margin={self.margin}"
        return f"{sizes}, share={self.share}, delta={self.delta}, start={self.start}"
