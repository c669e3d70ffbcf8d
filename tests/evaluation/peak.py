"""Peak memory of a call."""

from torch import Tensor, float64
from torch.utils._python_dispatch import TorchDispatchMode


class WidestTensor(TorchDispatchMode):
    """While entered, `numbers` is the size of the largest float64 tensor that any operation made."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        made = operation(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, Tensor) and tensor.dtype == float64:
                self.numbers = max(self.numbers, tensor.numel())
        return made
