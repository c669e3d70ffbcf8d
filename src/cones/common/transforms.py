"""Code that runs inside of torch.func transforms."""

import torch
from torch import Tensor
from torch.autograd import forward_ad


def in_transform() -> bool:
    """Tell whether a torch.func transform is running: grad, vmap, jacrev and the like."""
    return not torch.compiler.is_compiling() and torch._C._functorch.peek_interpreter_stack() is not None


def in_forward_mode() -> bool:
    """Tell whether forward-mode derivatives are being computed, by torch.func or by torch.autograd.forward_ad."""
    return forward_ad._current_level >= 0


def is_batched(x: Tensor) -> bool:
    """Whether a vmap runs over the tensor: that of torch.func, or that of autograd's is_grads_batched."""
    functorch = torch._C._functorch
    return bool(functorch.is_batchedtensor(x) or functorch.is_legacy_batchedtensor(x))


def numbers_of(x: Tensor) -> Tensor:
    """The tensor inside torch.func's wrappers, all of a vmap's batch at once, whose values can be read.

    Inside of vmap a tensor has no single value, so that `int(x.max())` is refused; the check of an argument is for all
    of the batch alike.
    """
    x = x.detach()
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    return x
