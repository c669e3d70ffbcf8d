"""cos(m1 theta + m2) and (theta - h)^2 as functions of cos theta: the formulas behind every angular margin.

Autograd through arccos is NaN or infinite at cosine +1 and -1, where a feature points exactly along or against
its class. The value there is fine, so it is kept exact; the slope is that of the nearest angle whose cosine a
float can tell from 1, which is what the sample beside it has.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor

from ..common.transforms import in_transform


def shifted_cosine(cosine: Tensor, multiple: float = 1.0, shift: float | Tensor = 0.0, *, fold: bool = True) -> Tensor:
    """cos(m1 theta + m2) with theta = arccos(cosine), folded so that it falls all the way to theta = pi.

        phi = m1 theta + m2,   k = floor(phi / pi),   value = (-1)^k cos(phi) - 2 k

    With m2 = 0 and whole m1 this is the psi of L-Softmax. Without folding it is the cosine itself, which rises
    again past phi = pi.

    Args:
        cosine: any shape; values past 1 by rounding count as 1.
        multiple: m1, at least 0.
        shift: m2 in radians, a number or a tensor of cosine's shape (gradients reach it).
        fold: whether to continue monotonically past every multiple of pi.

    Returns:
        the shape of cosine; finite in value and gradient on all of [-1, 1].

    Source: Liu et al. 2016 (L-Softmax), eq. 6; the derivative is d/dc = (-1)^k m1 sin(phi) / sin(theta).

    Example:
        >>> shifted_cosine(torch.tensor([1.0, 0.0, -1.0]), 4)     # psi(0) = 1, psi(pi / 2) = -3, psi(pi) = -7
        tensor([ 1., -3., -7.])
    """
    plain = not in_transform()  # which asks for a form that is slow to call
    if plain and multiple == 1 and not isinstance(shift, Tensor) and 0 <= shift <= math.pi:
        return cast(Tensor, _AddedAngle.apply(cosine, float(shift), fold))  # type: ignore[no-untyped-call]
    shift = torch.as_tensor(shift, dtype=cosine.dtype, device=cosine.device)
    return cast(Tensor, _ShiftedCosine.apply(cosine, multiple, shift, fold))  # type: ignore[no-untyped-call]


def psi(cosine: Tensor, margin: int) -> Tensor:
    """psi(theta) = (-1)^k cos(m theta) - 2k on [k pi / m, (k + 1) pi / m], k in 0..m-1 (L-Softmax, eq. 6)."""
    return shifted_cosine(cosine, margin)


def long_psi(similarity: Tensor, length: Tensor, margin: int) -> Tensor:
    """length * psi(theta) with cos(theta) = similarity / length, for vectors of any length.

    Args:
        similarity: (N,) inner products.
        length: (N,) product of the norms, at least 0; where it is 0 the angle counts as a right one, without a slope.
        margin: m of psi.

    Returns:
        (N,); its slopes, psi' for similarity and psi - cos(theta) psi' for length, overflow for no length.
    """
    return cast(Tensor, _LongPsi.apply(similarity, length, margin))  # type: ignore[no-untyped-call]


def squared_angle(cosine: Tensor, center: float = 0.0) -> Tensor:
    """(theta - h)^2 with theta = arccos(cosine).

    Args:
        cosine: any shape; values past 1 by rounding count as 1.
        center: h in radians.

    Returns:
        the shape of cosine; finite in value and gradient on all of [-1, 1].

    Source: d/dc = -2 (theta - h) / sin(theta), which is -2 at theta = 0 where h is 0.

    Example:
        >>> squared_angle(torch.tensor([1.0, 0.0, -1.0]))          # 0, (pi / 2)^2, pi^2
        tensor([0.0000, 2.4674, 9.8696])
    """
    return cast(Tensor, _SquaredAngle.apply(cosine, center))  # type: ignore[no-untyped-call]


class _AddedAngle(torch.autograd.Function):
    """cos(theta + m) for one m in [0, pi], in a third of the operations of the general case.

    cos(theta + m) = c cos m - sin(theta) sin m, with slope cos m + c sin m / sin(theta); past theta = pi - m, where
    c < -cos m, the fold is -2 - cos(theta + m).
    """

    @staticmethod
    def forward(ctx: Any, cosine: Tensor, shift: float, fold: bool) -> Tensor:
        squared = (1 - cosine) * (1 + cosine)
        past = cosine < -math.cos(shift) if fold else None
        ctx.shift, ctx.fold = shift, fold
        ctx.save_for_backward(cosine, _added_slope(cosine, squared, past, shift))
        value = torch.sub(
            cosine.clamp(-1, 1).mul_(math.cos(shift)), squared.clamp_(min=0).sqrt_(), alpha=math.sin(shift)
        )
        return value if past is None else torch.where(past, -2 - value, value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        cosine, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # a graph of the gradient is wanted
            past = cosine < -math.cos(ctx.shift) if ctx.fold else None
            slope = _added_slope(cosine, (1 - cosine) * (1 + cosine), past, ctx.shift)
        return grads[0] * slope, None, None


def _added_slope(cosine: Tensor, squared_sine: Tensor, past: Tensor | None, shift: float) -> Tensor:
    inverse_sine = squared_sine.clamp(min=torch.finfo(cosine.dtype).eps).rsqrt()
    slope = (cosine * inverse_sine * math.sin(shift)).add(math.cos(shift))
    return slope if past is None else torch.where(past, -slope, slope)


class _ShiftedCosine(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(cosine: Tensor, multiple: float, shift: Tensor, fold: bool) -> Tensor:
        phase = multiple * _angle(cosine) + shift
        k = _fold_count(phase, multiple, shift) if fold else torch.zeros_like(phase)
        return _sign(k) * phase.cos() - 2 * k

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, Tensor, bool], output: Tensor) -> None:
        cosine, ctx.multiple, shift, ctx.fold = inputs
        ctx.save_for_backward(cosine, shift)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, Tensor | None, None]:
        (grad,) = grads
        cosine, shift = ctx.saved_tensors
        theta, sine = _off_the_poles(cosine)
        phase = ctx.multiple * theta + shift
        k = _fold_count(phase, ctx.multiple, shift) if ctx.fold else torch.zeros_like(phase)
        slope = _sign(k) * phase.sin()
        for_cosine = grad * ctx.multiple * slope / sine
        for_shift = (-grad * slope).sum_to_size(shift.shape) if ctx.needs_input_grad[2] else None
        return for_cosine, None, for_shift, None


class _LongPsi(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(similarity: Tensor, length: Tensor, margin: int) -> Tensor:
        return length * psi(_cosine(similarity, length), margin)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        similarity, length, ctx.margin = inputs
        ctx.save_for_backward(similarity, length)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (grad,) = grads
        similarity, length = ctx.saved_tensors
        cosine = _cosine(similarity, length)
        slope = torch.where(length > 0, _psi_slope(cosine, ctx.margin), 0)
        return grad * slope, grad * (psi(cosine, ctx.margin) - cosine * slope), None


class _SquaredAngle(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(cosine: Tensor, center: float) -> Tensor:
        return (_angle(cosine) - center) ** 2

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        cosine, ctx.center = inputs
        ctx.save_for_backward(cosine)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        theta, sine = _off_the_poles(ctx.saved_tensors[0])
        return grads[0] * -2 * (theta - ctx.center) / sine, None


def _cosine(similarity: Tensor, length: Tensor) -> Tensor:
    return torch.where(length > 0, similarity / torch.where(length > 0, length, 1), 0).clamp(-1, 1)


def _psi_slope(cosine: Tensor, margin: int) -> Tensor:
    """d psi / d cos(theta)."""
    theta, sine = _off_the_poles(cosine)
    k = _fold_count(margin * theta, margin, torch.zeros_like(theta))
    return _sign(k) * margin * (margin * theta).sin() / sine


def _angle(cosine: Tensor) -> Tensor:
    """theta, exact at the poles; its autograd is not."""
    return torch.atan2(_squared_sine(cosine).sqrt(), cosine)


def _off_the_poles(cosine: Tensor) -> tuple[Tensor, Tensor]:
    """theta and sin(theta) where a slope is taken: no closer to a pole than a float can tell from it."""
    nearest = torch.finfo(cosine.dtype).eps  # the smallest squared sine that a float below 1 has
    squared = _squared_sine(cosine)
    sine = torch.where(squared > nearest, squared, nearest).sqrt()
    return torch.atan2(sine, cosine), sine


def _squared_sine(cosine: Tensor) -> Tensor:
    return ((1 - cosine) * (1 + cosine)).clamp(min=0)


def _fold_count(phase: Tensor, multiple: float, shift: Tensor) -> Tensor:
    # At theta = pi itself floor would open one fold too many: same value, slope of the wrong sign.
    last = (torch.ceil(multiple + shift / math.pi) - 1).clamp(min=0)
    return torch.minimum(torch.floor(phase / math.pi), last).clamp(min=0)


def _sign(k: Tensor) -> Tensor:
    return 1 - 2 * (k % 2)
