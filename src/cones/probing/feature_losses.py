"""Curves of a feature loss: one feature moves through a small plane, and the loss and its force are recorded.

Two classes with directions at 0 and 90 degrees. A batch has three rows: the feature that moves, of the first class; one
on the direction of each class. The arguments of a loss are read from their names, and the variable it depends on is
found from its values. M places, N rows, D = 2 dims, K = 2 classes.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..feature_losses.arguments import GIVEN, arguments

PLACES = 121


class LossCurve(NamedTuple):
    """A loss along the one variable it depends on.

    Attributes:
        variable: what is varied, as an axis says it.
        about: what moves, in one sentence.
        places: (M,) values of the variable; angles in radians.
        loss: (M,) loss of the feature that moves, or of the batch where it is not given by row.
        force: (M,) the negative derivative of the loss by the variable.
        marks: values of the variable worth a line, with what they are.
    """

    variable: str
    about: str
    places: Tensor
    loss: Tensor
    force: Tensor
    marks: tuple[tuple[float, str], ...] = ()

    @property
    def is_angle(self) -> bool:
        """True if the variable is an angle."""
        return self.variable.startswith("θ")


def loss_curve(loss: Callable[..., Any]) -> LossCurve | None:
    """Return the loss along the variable that it depends on; None if it takes an argument that is not in `GIVEN`.

    Args:
        loss: a feature loss, for 2 classes and 2 dims where it asks for these.
    """
    if not fits(loss):
        return None
    if isinstance(loss, nn.Module):
        loss = loss.double()
        with torch.no_grad():
            call(loss, 2 * torch.eye(2).double(), torch.eye(2).double(), torch.arange(2))  # what starts from a batch
        loss.eval()
    if isinstance(getattr(loss, "centers", None), Tensor):
        return _towards_a_center(loss)
    if "features" not in arguments(loss):
        return _between_classes(loss)
    turned = _loss_at(loss, torch.tensor(0.3).double()), _loss_at(loss, torch.tensor(1.2).double())
    return _along_the_norm(loss) if torch.allclose(*turned) else _around_the_circle(loss)


def fits(loss: Callable[..., Any]) -> bool:
    """Tell whether all arguments without a default can be given here."""
    must = {name for name, parameter in arguments(loss).items() if parameter.default is parameter.empty}
    return must <= {*GIVEN, "reduction"}


def call(loss: Callable[..., Any], features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The loss by row where it is given by row, else of the batch.

    Args:
        loss: one that `fits`.
        features: (N, D).
        weight: (K, D).
        labels: (N,).

    Returns:
        (N,) or 0-dim.
    """
    correct = torch.ones(len(labels), dtype=torch.bool)
    values = (features, labels, weight, correct, len(weight), "none")
    taken = arguments(loss)
    result = loss(**{name: value for name, value in zip((*GIVEN, "reduction"), values, strict=True) if name in taken})
    assert isinstance(result, Tensor)
    return result


def _around_the_circle(loss: Callable[..., Any]) -> LossCurve:
    places = (torch.arange(PLACES).double() + 0.5) * math.pi / PLACES
    return _curve(
        "θ, angle to the own class",
        "A feature of norm 1 turns away from its class at 0°; the other class is at 90°, and the batch has one more "
        "feature on each.",
        places,
        lambda place: _loss_at(loss, place),
        marks=((math.pi / 2, "other class"),),
    )


def _along_the_norm(loss: Callable[..., Any]) -> LossCurve:
    places = (torch.arange(PLACES).double() + 0.5) * 4 / PLACES
    start = getattr(loss, "radius", None)
    return _curve(
        "‖x‖, norm of the feature",
        f"A{' correctly classified' * ('correct' in arguments(loss))} feature grows."
        + " The radius started from norm 2." * (start is not None),
        places,
        lambda place: _loss_at(loss, torch.zeros(()).double(), place),
    )


def _towards_a_center(loss: Any) -> LossCurve:
    with torch.no_grad():
        loss.centers.zero_()[1, 0] = 2
    return _curve(
        "‖x − c‖, distance to the own center",
        "A feature moves from its own center to that of the other class, at distance 2.",
        torch.linspace(0, 3, PLACES).double(),
        lambda place: _loss_at(loss, torch.zeros(()).double(), place),
        marks=((2.0, "other center"),),
    )


def _between_classes(loss: Callable[..., Any]) -> LossCurve:
    def of(place: Tensor) -> Tensor:
        weight = torch.stack([torch.eye(2)[0].double(), _at(place)])
        return call(loss, weight.detach(), weight, torch.arange(2)).sum()

    places = (torch.arange(PLACES).double() + 0.5) * math.pi / PLACES
    return _curve("θ, angle between two classes", "The directions of two classes move apart.", places, of)


def _curve(
    variable: str,
    about: str,
    places: Tensor,
    of: Callable[[Tensor], Tensor],
    *,
    marks: tuple[tuple[float, str], ...] = (),
) -> LossCurve:
    values = []
    for value in places:
        place = value.clone().requires_grad_()
        loss = of(place)
        (slope,) = torch.autograd.grad(loss, place)
        values.append((loss.detach(), -slope))
    losses, forces = (torch.stack(part) for part in zip(*values, strict=True))
    return LossCurve(variable, about, places, losses, forces, marks)


def _loss_at(loss: Callable[..., Any], angle: Tensor, norm: Tensor | float = 1.0) -> Tensor:
    weight = torch.eye(2).double()
    features = torch.cat([(norm * _at(angle))[None], weight])
    result = call(loss, features, weight, torch.tensor([0, 0, 1]))
    return result[0] if result.dim() else result


def _at(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()])
