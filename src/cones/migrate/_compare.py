import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..head import Head
from .formulas import Reference

ROUNDING = 1e-9
"""Share of the largest number that a difference in float64 may have and still be rounding."""


@dataclass(frozen=True)
class Agreement:
    """Largest differences between a head and a reference, on random features.

    Attributes:
        reference: name of what the head was compared with.
        rows: number of features.
        logits, losses, gradients: largest difference of a logit, of a row's loss, of an entry of the losses' gradient
            by the features. Losses and gradients: of the rows within `agrees_to`.
        largest_logit, largest_loss, largest_gradient: largest size of each in the reference, to judge by.
        agrees_to: angle to the own class, in radians, up to which the two are meant to be the same.
        rows_beyond: number of rows past it.
        losses_beyond: largest difference of their losses; 0 for no rows.
    """

    reference: str
    rows: int
    logits: float
    losses: float
    gradients: float
    largest_logit: float
    largest_loss: float
    largest_gradient: float
    agrees_to: float = math.pi
    rows_beyond: int = 0
    losses_beyond: float = 0.0

    def same(self, tolerance: float = ROUNDING) -> bool:
        """Tell whether every difference is at most `tolerance` times the largest number of its kind."""
        return (
            self.logits <= tolerance * self.largest_logit
            and self.losses <= tolerance * self.largest_loss
            and self.gradients <= tolerance * self.largest_gradient
        )

    def __str__(self) -> str:
        lines = [f"against {self.reference}, {self.rows} random features in float64, largest difference"]
        for name in ("logit", "loss", "gradient"):
            plural = name + ("es" if name == "loss" else "s")
            lines.append(
                f"  of a {name:<9} {getattr(self, plural):8.1e}   of up to {getattr(self, f'largest_{name}'):.3g}"
            )
        if self.rows_beyond:
            lines.append(
                f"  past {math.degrees(self.agrees_to):.1f} degrees from the own class the two go on differently: "
                f"there a loss differs by {self.losses_beyond:.1e} ({self.rows_beyond} rows)"
            )
        return "\n".join(lines)


def compare(head: Head, reference: Reference, *, rows: int = 64, seed: int = 0) -> Agreement:
    """Compare a head with another library's layer, on random features in float64.

    A quarter of the features point anywhere; the others lie at any angle from 0.01 to pi - 0.01 to a center of their
    own class, so that every branch of the margin is seen. Their lengths are between 0.5 and 2.

    Args:
        head: on any device; it is evaluated, not trained.
        reference: from `formulas`, or the library's own module as two functions. It is called on the head's device.
        rows: N; the reference makes (N, K) matrices of float64.
        seed: of the features.

    Returns:
        an `Agreement`; its text is made to be read.

    Raises:
        ValueError: the two have not as many classes, or there is no row.

    Example:
        >>> from cones.migrate import formulas, from_oml
        >>> state = {"weight": torch.randn(10, 4, generator=torch.Generator().manual_seed(0))}
        >>> compare(from_oml(state), formulas.oml(state)).same()
        True
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}, expected at least 1")
    x, y = _features(head, rows, seed)
    was_training = head.training
    head.eval()
    try:
        with torch.no_grad():
            ours, theirs = head.logits(x), reference.logits(x)
        if ours.shape != theirs.shape:
            raise ValueError(
                f"the head's logits are {tuple(ours.shape)}, those of {reference.name} {tuple(theirs.shape)}"
            )
        loss, gradient = _loss_and_gradient(lambda x: head(x, y, reduction="none"), x)
        their_loss, their_gradient = _loss_and_gradient(lambda x: reference.losses(x, y), x)
    finally:
        head.train(was_training)
    within = _angle_to_own(head, x, y) <= reference.agrees_to
    apart = (loss - their_loss).abs()
    return Agreement(
        reference=reference.name,
        rows=rows,
        logits=_largest(ours - theirs),
        losses=_largest(apart[within]),
        gradients=_largest((gradient - their_gradient)[within]),
        largest_logit=_largest(theirs),
        largest_loss=_largest(their_loss[within]),
        largest_gradient=_largest(their_gradient[within]),
        agrees_to=reference.agrees_to,
        rows_beyond=int((~within).sum()),
        losses_beyond=_largest(apart[~within]),
    )


def _features(head: Head, rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features (N, D) in float64 and labels (N,), as `compare` says."""
    random = torch.Generator().manual_seed(seed)
    y = torch.randint(head.num_classes, (rows,), generator=random)
    centers = _own_centers(head, y).cpu()
    own = centers[torch.arange(rows), torch.randint(centers.shape[1], (rows,), generator=random)]
    anywhere = F.normalize(torch.randn(own.shape, generator=random, dtype=torch.float64))
    aside = F.normalize(anywhere - (anywhere * own).sum(dim=1, keepdim=True) * own)
    theta = 0.01 + (math.pi - 0.02) * torch.rand(rows, 1, generator=random, dtype=torch.float64)
    turned = own * theta.cos() + aside * theta.sin()
    length = 0.5 + 1.5 * torch.rand(rows, 1, generator=random, dtype=torch.float64)
    quarter = torch.arange(rows)[:, None] % 4 == 0
    x = length * torch.where(quarter, anywhere, turned)
    return x.to(head.weight.device), y.to(head.weight.device)


def _own_centers(head: Head, y: Tensor) -> Tensor:
    """(N, S, D) directions of the centers of each row's class, in float64."""
    centers = head.weight.detach().unflatten(0, (head.num_classes, -1))[y].double()
    return F.normalize(centers, dim=2)


def _angle_to_own(head: Head, x: Tensor, y: Tensor) -> Tensor:
    """(N,) radians to the nearest center of the own class."""
    cosine = (_own_centers(head, y) @ F.normalize(x)[:, :, None]).squeeze(2)
    return cosine.amax(dim=1).clamp(-1, 1).acos()


def _loss_and_gradient(losses: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    with torch.enable_grad():
        loss = losses(leaf)
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    return loss.detach(), gradient


def _largest(values: Tensor) -> float:
    return float(values.abs().max()) if values.numel() else 0.0
