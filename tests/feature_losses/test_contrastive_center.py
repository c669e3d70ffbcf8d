"""Contrastive-center loss against its equation."""

import numpy as np
import pytest
import torch

from cones import ContrastiveCenter
from tests.losses import problem


def with_centers(centers, delta=1.0):
    loss = ContrastiveCenter(*centers.shape, delta=delta).to(centers.dtype)
    loss.centers.data.copy_(centers)
    return loss


def expected(centers, delta, x, y):
    """The losses (N,), from the equation."""
    d = ((x[:, None] - centers) ** 2).sum(axis=2)
    own = d[np.arange(len(x)), y]
    others = np.array([np.delete(row, label).sum() for row, label in zip(d, y, strict=True)])
    return 0.5 * own / (others + delta)


@pytest.mark.parametrize("k", [1, 2, 23])
@pytest.mark.parametrize("delta", [1.0, 0.01])
def test_value(k, delta):
    x, centers, y, _ = problem(k=k)
    np.testing.assert_allclose(
        with_centers(centers, delta)(x, y, "none").detach(),
        expected(centers.numpy(), delta, x.numpy(), y.numpy()),
        rtol=1e-12,
    )


def test_gradcheck_of_features_and_centers():
    x, centers, y, _ = problem(k=4)
    loss = with_centers(centers)

    def losses(x, centers):
        return torch.func.functional_call(loss, {"centers": centers}, (x, y, "none"))

    assert torch.autograd.gradcheck(losses, (x.requires_grad_(), centers.requires_grad_()))


def test_far_from_the_origin_in_float32():
    """If everything is far away, the sum over the other centers is no difference of large numbers."""
    x, centers, y, _ = problem(k=7)
    near = with_centers(centers)(x, y, "none")
    far = with_centers((centers + 1000).float())((x + 1000).float(), y, "none")
    torch.testing.assert_close(far.double(), near, rtol=1e-3, atol=1e-4)


def test_amidst_the_other_centers_it_stays_positive():
    centers = torch.tensor([[1e4, 0.0], [0.1, 0.3], [0.1, 0.3]])
    loss = with_centers(centers)(torch.tensor([[0.1, 0.3]]), torch.tensor([0]))
    assert 0 < loss.item() < float("inf")


def test_centers_are_learnt_towards_their_samples_and_from_others():
    loss = with_centers(torch.tensor([[0.0, 0.0], [0.0, 2.0]]))
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    loss(x, y).backward()
    own, other = -loss.centers.grad  # the way they move
    assert own @ (x[0] - loss.centers[0]) > 0
    assert other @ (x[0] - loss.centers[1]) < 0
    assert [name for name, _ in loss.named_parameters()] == ["centers"]
    assert set(loss.state_dict()) == {"centers"}
    assert repr(loss) == "ContrastiveCenter(num_classes=2, dim=2, delta=1.0)"
