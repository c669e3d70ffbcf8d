"""Center loss, Feature Incay and ring loss against their equations."""

import numpy as np
import pytest
import torch

from cones import CenterLoss, FeatureIncay, RingLoss
from tests.losses import problem
from tests.narrowing import grad_of


def test_center_loss_gradient_is_equation_3():
    x, _, y, _ = problem()
    x.requires_grad_()
    loss = CenterLoss(23, 5).double()
    loss.centers.normal_()
    loss(x, y, "sum").backward()
    torch.testing.assert_close(x.grad, x.detach() - loss.centers[y])
    assert not list(loss.parameters())
    assert set(loss.state_dict()) == {"centers"}


def test_center_update_is_equation_4():
    x, _, y, _ = problem(n=9, k=4)
    loss = CenterLoss(4, 5, alpha=0.3).double()
    loss.centers.normal_()
    c = loss.centers.numpy().copy()
    for j in range(4):
        mine = x.numpy()[y.numpy() == j]
        delta = (c[j] - mine).sum(axis=0) / (1 + len(mine))
        c[j] -= 0.3 * delta
    loss.update(x, y)
    np.testing.assert_allclose(loss.centers.numpy(), c, rtol=1e-14, atol=1e-14)


def test_absent_classes_do_not_move():
    loss = CenterLoss(5, 2)
    loss.centers.normal_()
    before = loss.centers.clone()
    for _ in range(20):
        loss.update(torch.randn(8, 2), torch.tensor([1, 1, 3, 3, 3, 1, 3, 1]))
    assert torch.equal(loss.centers[[0, 2, 4]], before[[0, 2, 4]])
    assert not torch.equal(loss.centers[[1, 3]], before[[1, 3]])


def test_one_sample_moves_half_of_alpha_of_the_way():
    loss = CenterLoss(1, 1, alpha=0.5)
    loss.update(torch.tensor([[8.0]]), torch.tensor([0]))
    assert loss.centers.item() == 2.0


def test_incay_force_falls_as_the_cube_and_only_for_the_right():
    for norm in (0.5, 2.0, 10.0):
        x = torch.tensor([[norm, 0.0]], dtype=torch.float64, requires_grad=True)
        FeatureIncay(epsilon=1e-12)(x, torch.tensor([True])).backward()
        assert grad_of(x)[0, 0].item() == pytest.approx(-2 / norm**3, rel=1e-6)
    x = torch.randn(3, 2, requires_grad=True)
    loss = FeatureIncay()(x, torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (grad_of(x) == 0).all()


def test_incay_mean_is_over_all_rows():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert FeatureIncay(epsilon=1e-9)(x, torch.tensor([True, False])).item() == pytest.approx(0.5)


def test_ring_starts_at_the_first_batch_and_learns():
    loss = RingLoss()
    x = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    loss(x).backward()
    assert loss.radius.item() == 3.0
    assert grad_of(loss.radius).item() == pytest.approx(0.0)
    loss(10 * x)
    assert loss.radius.item() == 3.0  # only the first
    other = RingLoss()
    other.load_state_dict(loss.state_dict())
    other(10 * x)
    assert other.radius.item() == 3.0


WRONG = [
    (lambda: CenterLoss(0, 2), ValueError, r"num_classes is 0"),
    (lambda: CenterLoss(3, 2, alpha=1.5), ValueError, r"alpha is 1.5, expected a number in \[0, 1\]"),
    (
        lambda: CenterLoss(3, 2)(torch.zeros(2, 3), torch.tensor([0, 1])),
        ValueError,
        r"features has shape \(2, 3\), expected \(N, 2\)",
    ),
    (
        lambda: CenterLoss(3, 2)(torch.zeros(2, 2), torch.tensor([0, 3])),
        ValueError,
        r"labels\[1\] is 3, but the head has 3 classes",
    ),
    (lambda: FeatureIncay(epsilon=0.0), ValueError, r"epsilon is 0.0"),
    (
        lambda: FeatureIncay()(torch.zeros(2, 2), torch.tensor([0, 1])),
        TypeError,
        r"correct has dtype torch.int64, expected torch.bool",
    ),
    (
        lambda: FeatureIncay()(torch.zeros(2, 2), torch.tensor([True])),
        ValueError,
        r"correct has shape \(1,\), expected \(2,\)",
    ),
    (lambda: RingLoss(radius=-1.0), ValueError, r"radius is -1.0"),
    (lambda: RingLoss()(torch.zeros(2)), ValueError, r"features has shape \(2,\), expected \(N, D\)"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
