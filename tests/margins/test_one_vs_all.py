"""SphereFace2, UniFace, P2SGrad: separate classes, and the bias that they share."""

import math

import pytest
import torch

import cones
from cones import Head, P2SGrad, SphereFace2, UniFace, dense_margin_softmax, margin_softmax
from tests.losses import problem
from tests.narrowing import grad_of, not_none

ONE_VS_ALL = [
    SphereFace2(),
    SphereFace2(margin=0.2, scale=6.0, power=2.0, balance=0.4, weight=3.0),
    UniFace(),
    UniFace(margin=0.2, scale=6.0, balance=0.3),
    P2SGrad(),
]
ZERO, EYE = torch.zeros(1, 4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)


def loss_of(margin, x, label, bias=None):
    return margin_softmax(x, EYE, torch.tensor([label]), margin, bias=bias).item()


def test_all_cosines_zero():
    """softplus(0) = log 2 for each of 4 classes."""
    assert loss_of(UniFace(margin=0.0), ZERO, 1) == pytest.approx(4 * math.log(2))
    assert loss_of(UniFace(margin=0.0, balance=0.5), ZERO, 1) == pytest.approx(2.5 * math.log(2))
    even = SphereFace2(margin=0.0, scale=8.0, power=1.0, balance=0.75, weight=2.0)
    assert loss_of(even, ZERO, 1) == pytest.approx(2 / 8 * (0.75 + 3 * 0.25) * math.log(2))
    assert loss_of(P2SGrad(), ZERO, 1) == pytest.approx(1.0)


def test_a_feature_on_its_class_and_on_another():
    assert loss_of(P2SGrad(), EYE[:1], 0) == 0
    assert loss_of(P2SGrad(), EYE[:1], 1) == pytest.approx(2.0)
    assert loss_of(P2SGrad(), -EYE[:1], 0) == pytest.approx(4.0)
    margin = SphereFace2(margin=0.1, scale=5.0, power=3.0, balance=0.5, weight=10.0)
    right = math.log1p(math.exp(-5 * 0.9)) + 3 * math.log1p(math.exp(5 * (-0.75 + 0.1)))  # g(1) = 1, g(0) = -3/4
    assert loss_of(margin, EYE[:1], 0) == pytest.approx(right)
    wrong = (
        math.log1p(math.exp(5 * (0.75 + 0.1)))
        + math.log1p(math.exp(5 * 1.1))
        + 2 * math.log1p(math.exp(5 * (-0.75 + 0.1)))
    )
    assert loss_of(margin, EYE[:1], 1) == pytest.approx(wrong)


def test_p2sgrad_is_twice_the_papers_gradient():
    """dL/dc_j = 2 (c_j - delta_jy), with the feature's gradient sum_j dL/dc_j (w_j - c_j x) / |x|."""
    x, w, y, _ = problem()
    leaf = x.clone().requires_grad_()
    margin_softmax(leaf, w, y, P2SGrad()).sum().backward()
    unit_x, unit_w = (torch.nn.functional.normalize(rows) for rows in (x, w))
    cosine = unit_x @ unit_w.T
    pull = 2 * (cosine - torch.nn.functional.one_hot(y, len(w)))
    expected = (pull @ unit_w - (pull * cosine).sum(dim=1, keepdim=True) * unit_x) / x.norm(dim=1, keepdim=True)
    torch.testing.assert_close(leaf.grad, expected)


@pytest.mark.parametrize("margin", ONE_VS_ALL, ids=repr)
@pytest.mark.parametrize("budget", [1, 3000, 2**28])
def test_one_bias_for_all_classes_gets_the_sum_of_their_gradients(margin, budget):
    x, _, y, _ = problem()
    head = Head(5, 23, margin, bias=True, dtype=torch.float64, memory_budget=budget)
    assert not_none(head.bias).shape == ()
    with torch.no_grad():
        not_none(head.bias).fill_(-0.7)
    head(x, y).backward()
    weight, bias = head.weight.detach().clone().requires_grad_(), not_none(head.bias).detach().clone().requires_grad_()
    dense_margin_softmax(x, weight, y, margin, bias=bias.expand(23)).mean().backward()
    torch.testing.assert_close(grad_of(head.bias), grad_of(bias), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(head.weight.grad, weight.grad, rtol=1e-11, atol=1e-11)
    h = 1e-6
    with torch.no_grad():
        not_none(head.bias).fill_(-0.7 + h)
        above = head(x, y)
        not_none(head.bias).fill_(-0.7 - h)
        below = head(x, y)
    assert grad_of(head.bias).item() == pytest.approx(((above - below) / (2 * h)).item(), rel=1e-6)


@pytest.mark.parametrize("k", [2, 3, 10, 10_000])
@pytest.mark.parametrize("balance", [0.01, 0.5, 0.7, 0.99])
@pytest.mark.parametrize(("scale", "margin"), [(40.0, 0.4), (8.0, 0.0), (64.0, 0.5)])
def test_sphereface2_starts_where_the_bias_has_no_gradient(k, balance, scale, margin):
    head = Head(3, k, SphereFace2(margin, scale, balance=balance), bias=True, dtype=torch.float64)
    head(torch.zeros(2, 3, dtype=torch.float64), torch.tensor([0, 1])).backward()
    assert abs(grad_of(head.bias).item()) < 1e-12


def test_initial_bias_is_the_formula_of_the_papers_code_where_that_does_not_cancel():
    r, m, t, share, k = 40.0, 0.4, 3.0, 0.7, 1000
    z = share / ((1 - share) * (k - 1))
    own, others = r * (2 * 0.5**t - 1 - m), r * (2 * 0.5**t - 1 + m)
    root = math.sqrt((1 - z) ** 2 + 4 * z * math.exp(own - others))
    expected = math.log(2 * z) - others - math.log(1 - z + root)
    assert SphereFace2(m, r, t, share).initial_bias(k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 2, 3, 10**7])
def test_initial_bias_is_finite_at_any_size(k):
    for scale in (1e-3, 40.0, 1e5):
        assert math.isfinite(SphereFace2(scale=scale).initial_bias(k))
    assert UniFace().initial_bias(k) == pytest.approx(-math.log(10 * k))
    assert P2SGrad().initial_bias(k) == 0


@pytest.mark.parametrize("margin", ONE_VS_ALL, ids=repr)
def test_bias_is_saved_and_predicts(margin):
    x, _, y, _ = problem(dtype=torch.float32)
    head, other = Head(5, 23, margin, bias=True), Head(5, 23, margin, bias=True)
    assert not_none(head.bias).item() == pytest.approx(margin.initial_bias(23))
    with torch.no_grad():
        not_none(head.bias).add_(1)
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(x, y), head(x, y))
    cosine = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(head.weight).T
    torch.testing.assert_close(head.logits(x), margin.scale * cosine + head.bias)


@pytest.mark.parametrize("margin", ONE_VS_ALL, ids=repr)
def test_training_on_some_of_the_classes(margin):
    torch.manual_seed(0)
    x, _, y, _ = problem(dtype=torch.float32)
    head = Head(5, 23, margin, bias=True, sample_rate=0.5)
    head(x, y).backward()
    assert torch.isfinite(grad_of(head.bias))
    assert grad_of(head.weight).is_sparse


@pytest.mark.parametrize("margin", [SphereFace2(scale=6.0), UniFace(scale=6.0), cones.MagFace(scale=6.0)], ids=repr)
def test_learnt_scale_gets_its_gradient(margin):
    x, _, y, _ = problem()
    head = Head(5, 23, margin, learn_scale=True, dtype=torch.float64)
    head(x, y).backward()
    h = 1e-6
    with torch.no_grad():
        start = not_none(head.scale).clone()
        not_none(head.scale).copy_(start + h)
        above = head(x, y)
        not_none(head.scale).copy_(start - h)
        below = head(x, y)
    assert torch.isclose(grad_of(head.scale), (above - below) / (2 * h), rtol=1e-6)


@pytest.mark.parametrize("balance", [0.0, 1.0, -0.5, math.nan])
def test_errors_name_the_field(balance):
    with pytest.raises(ValueError, match=r"SphereFace2: balance is .*, expected a number above 0 and below 1"):
        SphereFace2(balance=balance)
    with pytest.raises(ValueError, match=r"SphereFace2: power is 0.5, expected at least 1"):
        SphereFace2(power=0.5)
    with pytest.raises(ValueError, match=r"SphereFace2: weight is 0.0, expected a finite number above 0"):
        SphereFace2(weight=0.0)
    with pytest.raises(ValueError, match=r"UniFace: balance is 0.0, expected a finite number above 0"):
        UniFace(balance=0.0)
    with pytest.raises(ValueError, match=r"UniFace: margin is -1.0, expected a finite number of at least 0"):
        UniFace(margin=-1.0)
