"""Probing of feature losses: the variable that each depends on is found, with the right loss and force."""

import math
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cones
from cones.catalogue import every_loss, example
from cones.margins import Margin
from cones.plots import feature_loss_figure, save
from cones.probing.feature_losses import loss_curve
from tests.narrowing import not_none


@dataclass(frozen=True)
class Agents:
    """Pull to the own weight, push from others."""

    def __call__(self, features, weight, labels, reduction="mean"):
        distance = torch.cdist(F.normalize(features), F.normalize(weight)) ** 2
        own = F.one_hot(labels, len(weight)).bool()
        return torch.where(own, distance, (1 - distance).clamp(min=0)).sum(dim=1)


@dataclass(frozen=True)
class Pairs:
    """One number a batch, from its pairs."""

    def __call__(self, features, labels):
        cosine = F.normalize(features) @ F.normalize(features).T
        same = labels[:, None] == labels
        return cosine[~same].logsumexp(0) - cosine[same].mean()


@dataclass(frozen=True)
class Spread:
    """Of the class directions alone."""

    def __call__(self, weight):
        unit = F.normalize(weight)
        return 1 / (2 - 2 * (unit @ unit.T)[0, 1])


class Parting(nn.Module):
    """Distance to the own center over that to the others."""

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("centers", torch.zeros(num_classes, dim))

    def forward(self, features, labels, reduction="mean"):
        squared = torch.cdist(features, self.get_buffer("centers")) ** 2
        own = squared.gather(1, labels[:, None]).squeeze(1)
        return 0.5 * own / (squared.sum(dim=1) - own + 1)


@dataclass(frozen=True)
class Odd:
    """Takes an argument that no curve has."""

    def __call__(self, features, moon):
        return features.sum() + moon


def test_center_loss_along_the_distance():
    found = not_none(loss_curve(cones.CenterLoss(2, 2)))
    assert found.variable.startswith("‖x − c‖")
    torch.testing.assert_close(found.loss, found.places**2 / 2)
    torch.testing.assert_close(found.force, -found.places)


def test_ring_loss_and_incay_along_the_norm():
    found = not_none(loss_curve(cones.RingLoss()))
    assert found.variable.startswith("‖x‖")
    torch.testing.assert_close(found.loss, (found.places - 2) ** 2 / 2)
    torch.testing.assert_close(found.force, 2 - found.places)
    found = not_none(loss_curve(cones.FeatureIncay()))
    torch.testing.assert_close(found.loss, 1 / (found.places**2 + 1e-6))
    torch.testing.assert_close(found.force, 2 * found.places / (found.places**2 + 1e-6) ** 2)
    assert "correctly classified" in found.about


def test_what_depends_on_the_angle():
    found = not_none(loss_curve(Agents()))
    assert found.is_angle
    expected = 2 - 2 * found.places.cos() + (1 - (2 - 2 * found.places.sin())).clamp(min=0)
    torch.testing.assert_close(found.loss, expected)
    found = not_none(loss_curve(Pairs()))
    assert found.is_angle
    assert found.loss.argmin() < 30
    numeric = -(found.loss[2:] - found.loss[:-2]) / (found.places[2:] - found.places[:-2])
    torch.testing.assert_close(found.force[1:-1], numeric, atol=1e-3, rtol=1e-3)


def test_what_looks_at_the_weights_alone():
    found = not_none(loss_curve(Spread()))
    assert found.variable == "θ, angle between two classes"
    torch.testing.assert_close(found.loss, 1 / (2 - 2 * found.places.cos()))


def test_what_has_centers_moves_between_them():
    found = not_none(loss_curve(Parting(2, 2)))
    torch.testing.assert_close(found.loss, 0.5 * found.places**2 / ((2 - found.places) ** 2 + 1))
    assert found.marks == ((2.0, "other center"),)


@pytest.mark.parametrize("loss", [Agents(), Pairs(), Spread(), Parting(2, 2)], ids=lambda loss: type(loss).__name__)
def test_each_kind_is_drawn(loss, tmp_path):
    save(feature_loss_figure(loss), tmp_path / "loss")


@pytest.mark.parametrize(
    "kind", [kind for kind in every_loss().values() if not issubclass(kind, Margin)], ids=lambda kind: kind.__name__
)
def test_public_losses_are_finite_along_their_curve(kind):
    found = not_none(loss_curve(example(kind)))
    if found is not None:
        assert torch.isfinite(found.loss).all()
        assert torch.isfinite(found.force).all()
        assert 0 <= found.places[0] < found.places[-1] <= (math.pi if found.is_angle else 4)


def test_other_arguments_have_no_curve():
    assert loss_curve(Odd()) is None
    with pytest.raises(ValueError, match="Odd takes other arguments than features, labels"):
        feature_loss_figure(Odd())


def test_a_tensor_is_asked_for():
    def wrong(features: Tensor) -> float:
        return 1.0

    with pytest.raises(AssertionError):
        loss_curve(wrong)
