"""Head: the class weights, a margin, and a loss or logits."""

import math
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .common.buffers import restore_precision
from .common.watching import WeightWatch
from .engine.checks import check_arguments, check_head, check_kept, check_settings, check_weighting, write_running
from .engine.collective import columns_home, gather, replicated, scale_gradient
from .engine.dense import logits
from .engine.draws import draw_seed
from .engine.ignored import IGNORE_INDEX, counted
from .engine.losses import losses_over
from .engine.planner import MEMORY_BUDGET
from .engine.processes import WrappingCheck, check_group, check_whole, draw_share, save_classes
from .engine.processor import warn_if_slow
from .engine.ranks import Group, Settings, count, meet, shard
from .engine.reduction import reduce_weighted
from .engine.sampling import sampled
from .engine.step import EngineOptions, LocalClasses, Step, added_to_logits
from .engine.streaming import WeightUpdate
from .margins import Margin, parse
from .suggestion import far_outside


class Head(nn.Module):
    """The last layer and the loss in one: `head(features, labels)` replaces `F.cross_entropy(fc(x), y)`.

        loss_i = -logsigmoid(t_i - logsumexp_{j != y_i} o_ij),   t and o by the margin

    The weight is the head's own parameter: give it to the optimiser, for instance by `head.parameters()`.

    Args:
        in_features: D.
        num_classes: K.
        margin: the loss, such as ArcFace(margin=0.5, scale=64.0); or its text, as `parse` reads it.
        bias: whether classes have a bias, added after the margin; starts at 0.
        learn_scale: whether the scale is learnt, starting from the margin's; it is then `head.scale`.
        subcenters: S, centers per class; the similarity to a class is the largest of those to its centers.
        sample_rate: chance of a class to take part in a training step; the batch's own always do. Below 1 the gradient
            of W is sparse, for `ClassSGD` or another optimiser that takes such. Any number of ranks draw the same.
        normaliser: the classes that a loss is over: "sampled", those of the step, as in Partial FC (arXiv 2010.05222),
            where loss and gradients are biased; or "all", for one more product with W: the loss is exact, and the
            gradients of drawn others are weighted by the inverse of their chance, so that all gradients are unbiased.
        group: process group over which the classes are sharded: this rank holds an even share of them, in order, and
            gets the losses of its own rows. Gradients, of W and of the features, are averaged over the ranks as
            DistributedDataParallel does; do not wrap the head in it.
        compute_dtype: precision of the products of features and weights, None for that of the inputs.
        memory_budget: bytes of temporaries.
        label_smoothing: epsilon in [0, 1), the share of the target distribution that is spread over all K classes.
        focal: gamma, at least 0: the cross entropy is multiplied by (1 - p)^gamma, p = exp(-cross entropy) being the
            probability of the own class, so that rows already right count less (Lin et al. 2017, arXiv 1708.02002).
        class_weights: (K,), at least 0, factors of the losses by label; "mean" then divides by their sum over the rows,
            as F.cross_entropy does. A buffer, which may be changed at any time.
        ignore_index: the label of rows without a class: their loss is 0, they take no part in gradients and running
            numbers, and the mean is over the other rows.
        device, dtype: of the parameters.

    Attributes:
        weight: (C * S, D) of the C classes held here, all K without a group; starts normal with variance 1 / D, uniform
            in direction, and the same for any number of ranks.
        bias: (C,), one number for all classes where the margin is one-vs-all, or None.
        scale: 0-dim, or None.
        margin: may be replaced at any time, as a margin schedule does. Under torch.compile a field that changes should
            be a 0-dim tensor, filled or replaced: each value of a number is compiled again.
        classes: range of the classes held here.
        update: moves W in the backward: the ClassSGD of this head, or None.
        before_update: called before that, with the loss and its upstream gradient.

    Raises:
        TypeError, ValueError: an argument is invalid.

    Source: each margin's own reference.

    Example:
        >>> from cones import ArcFace
        >>> head = Head(4, 10, ArcFace(margin=0.2, scale=16.0))
        >>> x, y = torch.randn(3, 4), torch.tensor([0, 9, 4])
        >>> head(x, y).shape, head(x, y, reduction="none").shape, head.logits(x).shape
        (torch.Size([]), torch.Size([3]), torch.Size([3, 10]))
    """

    classes_held: Tensor

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        margin: Margin | str,
        *,
        bias: bool = False,
        learn_scale: bool = False,
        subcenters: int = 1,
        sample_rate: float = 1.0,
        normaliser: Literal["sampled", "all"] = "sampled",
        group: Group = None,
        compute_dtype: torch.dtype | None = None,
        memory_budget: int = MEMORY_BUDGET,
        label_smoothing: float = 0.0,
        focal: float = 0.0,
        class_weights: Tensor | None = None,
        ignore_index: int = IGNORE_INDEX,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        margin = parse(margin) if isinstance(margin, str) else margin
        check_head(
            in_features, num_classes, margin, bias=bias, learn_scale=learn_scale, subcenters=subcenters,
            sample_rate=sample_rate, normaliser=normaliser, label_smoothing=label_smoothing, group=group,
            ignore_index=ignore_index,
        )  # fmt: skip
        check_settings(memory_budget, compute_dtype, dtype)
        check_weighting(label_smoothing, focal, class_weights, num_classes)
        far = far_outside(margin, num_classes, in_features)
        if far is not None:
            warnings.warn(far, stacklevel=2)
        self.in_features, self.num_classes = in_features, num_classes
        self.margin, self.compute_dtype = margin, compute_dtype
        self.sample_rate, self.normaliser = sample_rate, normaliser
        self.update: WeightUpdate | None = None
        self.before_update: Callable[[Tensor, Tensor], None] | None = None
        self.memory_budget = memory_budget
        self.label_smoothing, self.focal = label_smoothing, focal
        self.ignore_index, self.subcenters, self.group = ignore_index, subcenters, group
        self.classes = range(num_classes)
        if group is not None:
            self.classes = range(*shard(num_classes, dist.get_rank(group), dist.get_world_size(group)))
            save_classes(self)
        here = len(self.classes)
        self.weight = nn.Parameter(torch.empty(here * subcenters, in_features, device=device, dtype=dtype))
        shape = (here,) if margin.combine == "softmax" else ()
        self.bias = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if bias else None
        self.scale = nn.Parameter(torch.empty((), device=device, dtype=dtype)) if learn_scale else None
        self.class_weights: Tensor | None
        own_copy = None if class_weights is None else class_weights.detach().clone().to(device)
        self.register_buffer("class_weights", own_copy)
        self._statistics = list(margin.init_statistics(num_classes))
        for name in self._statistics:
            self.register_buffer(f"running_{name}", torch.empty((), device=device, dtype=torch.float32))
        self.reset_parameters()
        self._wrapping = WrappingCheck()
        self._settings = Settings()
        self._watch = WeightWatch()
        self._watch.attach(self.weight)

    def reset_parameters(self) -> None:
        """Re-initialise the weight, the bias, the scale and the margin's running numbers."""
        std = 1 / math.sqrt(self.in_features)
        if self.group is None:
            nn.init.normal_(self.weight, std=std)
        else:
            start, num_rows = self.classes.start * self.subcenters, self.num_classes * self.subcenters
            draw_share(self.weight, start, num_rows, std)
        if self.bias is not None:
            nn.init.constant_(self.bias, self.margin.initial_bias(self.num_classes))
        if self.scale is not None:
            nn.init.constant_(self.scale, float(self.margin.scale))
        for name, value in self.margin.init_statistics(self.num_classes).items():
            getattr(self, f"running_{name}").fill_(value)

    def forward(self, features: Tensor, labels: Tensor, reduction: Literal["none", "mean", "sum"] = "mean") -> Tensor:
        """Compute the loss of the rows.

        Args:
            features: (N, D), any floating dtype.
            labels: (N,) integers in 0..K-1, or ignore_index.
            reduction: "none" for (N,), "mean" (0 for no rows), or "sum".

        Returns:
            (N,) or a 0-dim loss, float32 or float64.

        Raises:
            TypeError, ValueError: as `margin_softmax`; or reduction is none of the three.
        """
        learning = self.training and self.weight.requires_grad and torch.is_grad_enabled()
        if learning and not torch.compiler.is_compiling():
            moved, managed = self.update is not None, not self._watch.has(self.weight)
            self._wrapping.check_once(self.weight, self.group, moved_in_backward=moved, managed=managed)
        check_group(self)
        margin = self.margin_in_force()
        all_features, taken = features, counted(features, labels, self.ignore_index, maskable=not self._statistics)
        features, labels, rows, _ = taken
        checked = None if self.group is not None else labels
        check_arguments(features, self.weight, checked, margin, None, subcenters=self.subcenters, rows=rows)
        samples = self.training and self.sample_rate < 1
        seed = draw_seed() if samples or margin.draws else None
        settings = self._shared_settings(features)
        ranks, local_labels, seed = meet(
            features, labels, len(self.classes), self.group, settings=settings, rows=rows, seed=seed
        )
        if self.compute_dtype is not None and features.device.type == "cpu":
            warn_if_slow(self.in_features, self.num_classes, instead="compute_dtype=None")
        bias = added_to_logits(margin, self._class_bias(), self.num_classes, self.weight, ranks)
        held, update = LocalClasses(self.weight, bias, self.subcenters, local_labels, ranks), self.update
        if samples and seed is not None:
            held, update = sampled(held, self.sample_rate, seed, update, normaliser=self.normaliser)
        statistics = self.statistics()
        updates = self.training and bool(statistics)
        options = EngineOptions(self.memory_budget, self.compute_dtype, update)
        step = Step(labels.long(), margin, held, statistics, options, update_statistics=updates, seed=seed)
        losses, updated = losses_over(features, step, label_smoothing=self.label_smoothing, focal=self.focal)
        for name, value in updated.items() if updates else ():
            write_running(margin, getattr(self, f"running_{name}"), value)
        loss = reduce_weighted(losses, taken.weights(self.class_weights), reduction)
        if self.before_update is not None and loss.requires_grad:
            loss.register_hook(partial(self.before_update, loss.detach()))
        return taken.of_all(loss, len(all_features)) if reduction == "none" else loss

    def _shared_settings(self, features: Tensor) -> dict[str, str]:
        """Settings that all ranks must have alike, as texts."""
        if self.group is None:
            return {}
        return self._settings.texts(
            self.margin, features.dtype, num_classes=self.num_classes, in_features=self.in_features,
            bias=self.bias is not None, learn_scale=self.scale is not None, subcenters=self.subcenters,
            compute_dtype=self.compute_dtype, sample_rate=self.sample_rate, normaliser=self.normaliser,
            label_smoothing=self.label_smoothing, focal=self.focal,
        )  # fmt: skip

    def statistics(self) -> dict[str, Tensor]:
        """The margin's running numbers by name, 0-dim: buffers running_<name>, so that they are saved and resumed."""
        self.margin.check(self.num_classes)  # it may have been replaced
        wanted = self.margin.init_statistics(self.num_classes)
        check_kept(self.margin, wanted, self._statistics)
        return {name: getattr(self, f"running_{name}").clone() for name in wanted}

    def _class_bias(self) -> Tensor | None:
        """The layer's bias of the classes here, (C,), or None."""
        if self.bias is None or self.bias.dim() == 1:
            return self.bias
        shared = replicated(self.bias, self.group)
        if self.group is not None:  # the gradient from the classes here is their part of the average already
            shared = scale_gradient(shared, dist.get_world_size(self.group))
        return shared.expand(len(self.classes))

    def logits(self, features: Tensor) -> Tensor:
        """(N, K) = scale * similarity + bias of features (N, D): no label, no margin; argmax predicts."""
        check_whole(self.weight)
        check_group(self)
        ranks = None if self.group is None else count(len(features), len(self.classes), self.group, features.device)
        scores = self.local_logits(features if ranks is None else gather([features], [ranks.rows], self.group)[0])
        return scores if ranks is None else columns_home(scores, ranks)

    def local_logits(self, features: Tensor) -> Tensor:
        """(N, C) = scale * similarity + bias of features (N, D) to the classes held here."""
        return logits(
            features, self.weight, self.margin_in_force(), bias=self._class_bias(), subcenters=self.subcenters,
            statistics=self.statistics(),
        )  # fmt: skip

    def margin_in_force(self) -> Margin:
        """The margin, with the learnt scale where there is one."""
        if self.scale is None:
            return self.margin
        return replace(self.margin, scale=replicated(self.scale, self.group))  # type: ignore[call-arg]

    def extra_repr(self) -> str:
        """Text of print(head): sizes, margin, and parameters beside W."""
        learnt = f"bias={self.bias is not None}, learn_scale={self.scale is not None}"
        return f"in_features={self.in_features}, num_classes={self.num_classes}, margin={self.margin}, {learnt}"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Head":
        """Copy the head; the process group is shared, not copied."""
        twin = type(self).__new__(type(self))
        memo |= {id(self): twin, id(self.group): self.group}
        twin.__setstate__(deepcopy({**self.__getstate__(), "group": self.group}, memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """The state without the process group, which no file can hold, and the update, which is for this head alone."""
        state = {**self.__dict__, "update": None, "before_update": None, "group": None}
        del state["_watch"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._watch = WeightWatch()
        self._watch.attach(self.weight)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Head":
        """Move and cast parameters; running numbers and class weights move but keep their precision."""
        before = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        restore_precision(self, before)
        self._watch.attach(self.weight)  # a parameter of the meta device is replaced
        return self
