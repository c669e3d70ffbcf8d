"""DiscFace against its equation."""

import numpy as np
import pytest
import torch

from cones import DiscFace
from tests.losses import problem
from tests.narrowing import grad_of


def with_xi(xi):
    loss = DiscFace(len(xi)).double()
    loss.xi.data.copy_(xi)
    return loss


@pytest.mark.parametrize("length", [0.0, 0.03, 0.05, 7.0])
def test_value(length):
    x, w, y, _ = problem()
    xi = length * torch.ones(5).double() / 5**0.5
    unit_x, unit_w = (rows.numpy() / np.linalg.norm(rows.numpy(), axis=1, keepdims=True) for rows in (x, w))
    bounded = np.full(5, min(length, 0.05) / 5**0.5)
    expected = np.linalg.norm(unit_x - unit_w[y.numpy()] - bounded, axis=1)
    np.testing.assert_allclose(with_xi(xi)(x, w, y, "none").detach(), expected, rtol=1e-12)


@pytest.mark.parametrize("length", [0.02, 0.3])
def test_gradcheck_of_features_weight_and_xi(length):
    x, w, y, _ = problem(k=4)
    loss = DiscFace(5).double()
    xi = length * torch.tensor([0.6, 0.0, 0.0, -0.8, 0.0]).double()

    def losses(x, w, xi):
        return torch.func.functional_call(loss, {"xi": xi}, (x, w, y, "none"))

    assert torch.autograd.gradcheck(losses, (x.requires_grad_(), w.requires_grad_(), xi.requires_grad_()))


def test_at_the_kink_the_gradient_is_zero():
    x = torch.tensor([[2.0, 0.0], [0.0, 3.0]], requires_grad=True)
    w = torch.eye(2, requires_grad=True)
    loss = DiscFace(2)
    value = loss(x, w, torch.tensor([0, 1]))
    value.backward()
    assert value.item() == 0
    for leaf in (x, w, loss.xi):
        assert (grad_of(leaf) == 0).all()


def test_xi_starts_to_learn_from_zero():
    x, w, y, _ = problem()
    loss = DiscFace(5).double()
    before = loss(x, w, y)
    before.backward()
    loss.xi.data -= 0.01 * grad_of(loss.xi)
    assert loss(x, w, y) < before


def test_a_long_xi_is_only_turned():
    x, w, y, _ = problem()
    loss = with_xi(torch.tensor([0.0, 0.0, 2.0, 0.0, 0.0]))
    loss(x, w, y).backward()
    assert abs(loss.xi.grad @ loss.xi.detach()) < 1e-12
    assert loss.xi.grad.norm() > 0


def test_xi_is_learnt_and_saved():
    loss = DiscFace(3)
    assert [name for name, _ in loss.named_parameters()] == ["xi"]
    assert set(loss.state_dict()) == {"xi"}
    assert repr(loss) == "DiscFace(dim=3)"
