"""PReLU without branches: PyTorch's own decides element by element on a CPU, and guesses wrong half of the time."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PReLU(nn.PReLU):
    """torch.nn.PReLU, value for value and with its state_dict; several times as fast on a CPU.

        y = max(x, 0) + a_c min(x, 0),   c the channel

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 1.

    Example:
        >>> PReLU(2)(torch.tensor([[-4.0, 4.0]]))
        tensor([[-1.,  4.]], grad_fn=<_PReLUBackward>)
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) of (N, C, ...)."""
        if input.device.type != "cpu":
            return F.prelu(input, self.weight)
        slope = self.weight.to(input.dtype).view(-1, *[1] * (input.dim() - 2))
        return _PReLU.apply(input, slope)  # type: ignore[no-untyped-call, no-any-return]


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return x.clamp(min=0).addcmul_(x.clamp(max=0), slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (d_y,) = gradients
        x, slope = ctx.saved_tensors
        # torch.where would branch again; this operator, of relu's own backward, does not
        positive = torch.ops.aten.threshold_backward(d_y, x, 0)
        negative = d_y - positive
        return torch.addcmul(positive, negative, slope), (negative * x).sum_to_size(slope.shape)
