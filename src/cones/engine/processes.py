"""Heads in distributed training: shares of W, checks of wrappers and of checkpoints."""

import gc
import warnings
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .ranks import Group


class SharedHead(Protocol):
    """A head that may hold a part of the classes."""

    classes: range
    classes_held: Tensor
    num_classes: int
    group: Group

    def register_state_dict_post_hook(self, hook: Any) -> Any: ...
    def register_load_state_dict_pre_hook(self, hook: Any) -> Any: ...


BLOCK = 2**14
"""Rows of W drawn at once where only a share of them is kept; a multiple of 16, torch's own block."""


@torch.no_grad()
def draw_share(weight: Tensor, start: int, num_rows: int, std: float) -> None:
    """Draw all of W (num_rows, D) block by block and keep the rows of `weight`, so that W does not depend on the ranks.

    Args:
        weight: (C, D), filled.
        start: number of its first row in W.
        num_rows: rows of W in all.
        std: standard deviation.
    """
    stop = start + len(weight)
    for first in range(0, num_rows, BLOCK):
        rows = min(BLOCK, num_rows - first)
        block = torch.empty(rows, weight.shape[1], device=weight.device, dtype=weight.dtype)
        nn.init.normal_(block, std=std)
        low, high = max(start, first), min(stop, first + rows)
        if low < high:
            weight[low - start : high - start] = block[low - first : high - first]


class WrappingCheck:
    """Detects wrappers under which each process silently trains a model of its own."""

    def __init__(self) -> None:
        self._done = False

    def check_once(self, weight: Tensor, group: Group, *, moved_in_backward: bool, managed: bool) -> None:
        """Check the first training pass.

        Args:
            weight: the head's.
            group: the processes that share its classes, or None.
            moved_in_backward: whether a ClassSGD moves the weight.
            managed: whether the weight was replaced after construction, as FSDP does.

        Raises:
            RuntimeError: the head is inside DistributedDataParallel, and shares its classes or has a ClassSGD; or
                fully_shard took its weight though it shares its classes.
        """
        if self._done or torch.compiler.is_compiling():
            return
        self._done = True
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return
        wrapper = getattr(DistributedDataParallel, "_active_ddp_module", None)
        names = [] if wrapper is None else [name for name, each in wrapper.module.named_parameters() if each is weight]
        wrapped = wrapper is not None and bool(set(names) - set(wrapper.parameters_to_ignore))
        if group is not None and wrapped:
            raise RuntimeError(
                f"the head shares its classes (group=) but is inside DistributedDataParallel, which has "
                f"replaced every rank's rows of W by those of rank 0: wrap the backbone only, or give "
                f"DistributedDataParallel._set_params_and_buffers_to_ignore_for_model the head's names, such as "
                f"{names[0]!r}, before wrapping"
            )
        if group is not None and managed and _is_of_fsdp(weight):
            raise RuntimeError(
                "the head shares its classes (group=) but fully_shard has taken its weight, and mixes the rows of all "
                "ranks: call fully_shard on the backbone only, or fully_shard(net, ignored_params={head.weight, ...})"
            )
        if group is None and wrapped and moved_in_backward:
            raise RuntimeError(
                "ClassSGD moves W in the backward, before DistributedDataParallel averages gradients: use "
                "torch.optim.SGD, or share the classes, Head(..., group=dist.group.WORLD), outside of it"
            )
        if group is None and not wrapped and not managed:
            warnings.warn(
                f"there are {dist.get_world_size()} processes, but this head is neither inside DistributedDataParallel "
                f"nor shared: each process trains a weight of its own. Wrap it together with the backbone, or pass "
                f"group=dist.group.WORLD; nothing is wrong where gradients are averaged by other means",
                stacklevel=5,
            )


def _is_of_fsdp(weight: Tensor) -> bool:
    """Whether fully_shard gathered this parameter, which then is an attribute of one of its own records."""
    owners = gc.get_referrers(weight)
    return any(
        type(each).__name__ == "FSDPParam" or (isinstance(each, dict) and "fsdp_placement" in each) for each in owners
    )


def check_whole(weight: Tensor) -> None:
    """Raise RuntimeError for a weight sharded by FSDP, which gathers it for `forward` alone."""
    if type(weight) in (nn.Parameter, Tensor):
        return
    from torch.distributed.tensor import DTensor

    if isinstance(weight, DTensor):
        raise RuntimeError(
            "the weight is sharded by fully_shard, which gathers it for forward alone: call "
            'torch.distributed.fsdp.register_fsdp_forward_method(head, "logits") after fully_shard(head)'
        )


def save_classes(head: SharedHead) -> None:
    """Save the range of classes in the state of a sharded head, so that no rank loads another's rows.

    Args:
        head: whose classes are sharded; its state_dict() gets "classes_held", (2,): start and stop.
    """
    head.classes_held = torch.tensor([head.classes.start, head.classes.stop])
    head.register_state_dict_post_hook(_write_classes)
    head.register_load_state_dict_pre_hook(_read_classes)


def _write_classes(head: SharedHead, state: dict[str, Tensor], prefix: str, _: object) -> None:
    state[f"{prefix}classes_held"] = head.classes_held


def _read_classes(head: SharedHead, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    loaded = state.pop(f"{prefix}classes_held", None)
    if loaded is not None:
        _check_held(head, loaded)


def check_group(head: SharedHead) -> None:
    """Raise RuntimeError for a head with a part of the classes but no group, or with the rows of another rank."""
    if head.group is None and len(head.classes) != head.num_classes:
        raise RuntimeError(
            f"group is None, but the head holds {_classes(head)}: a file cannot store the process group, "
            f"set head.group after loading, on as many ranks as before"
        )
    if head.group is not None and not torch.compiler.is_compiling():
        _check_held(head, head.classes_held)  # a checkpoint may have been read in place


def _check_held(head: SharedHead, held: Tensor) -> None:
    start, stop = held.tolist()
    if (start, stop) != (head.classes.start, head.classes.stop):
        raise RuntimeError(
            f"the head holds {_classes(head)}, but the checkpoint has classes {start}..{stop - 1}: save and load each "
            f"rank's own head.state_dict() (the rank in the file's name) on as many ranks, or by "
            f"cones.training.shared_checkpoint on any number; torch.distributed.checkpoint alone keeps one rank's rows"
        )


def _classes(head: SharedHead) -> str:
    return f"classes {head.classes.start}..{head.classes.stop - 1} of {head.num_classes}"
