"""Defects measured in other libraries, each a test that must pass here."""

import math

import pytest
import torch
from losses import EVERY_MARGIN, of_classes

import cones
from cones import ArcFace, CombinedMargin, CosFace, Head, margin_softmax


def target_at(margin, theta):
    cosine = torch.as_tensor(theta, dtype=torch.float64).reshape(-1).cos()
    one = torch.ones_like(cosine)
    rows = cones.Rows(cosine, one, one, torch.zeros(len(cosine), dtype=torch.long), {})
    return margin.target(cosine, rows)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_d1_gradient_on_the_class_direction_is_finite(sign):
    w = torch.tensor([[0.6, 0.8], [1.0, 0.0]], requires_grad=True)
    x = (sign * w.detach()[:1]).requires_grad_()
    margin_softmax(x, w, torch.tensor([0]), ArcFace()).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(w.grad).all()


def test_d2_no_seed_gives_a_nan_when_parallel():
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        w = torch.randn(3, 8, generator=generator)
        x = (w[:1] * 0.37).requires_grad_()
        loss = margin_softmax(x, w, torch.tensor([0]), ArcFace())
        loss.sum().backward()
        assert torch.isfinite(loss).all(), seed
        assert torch.isfinite(x.grad).all(), seed


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_d3_the_master_weight_stays_float32(dtype):
    head = Head(4, 3, ArcFace())
    head(torch.randn(2, 4, dtype=dtype), torch.tensor([0, 1])).backward()
    assert head.weight.dtype == torch.float32
    assert head.weight.grad.dtype == torch.float32


def test_d4_the_derivative_of_arcface_is_the_true_one():
    theta = torch.tensor(1.0, dtype=torch.float64)
    cosine = theta.cos().reshape(1).requires_grad_()
    one = torch.ones(1, dtype=torch.float64)
    rows = cones.Rows(cosine, one, one, torch.zeros(1, dtype=torch.long), {})
    ArcFace(margin=0.5, scale=64.0).target(cosine, rows).sum().backward()
    assert cosine.grad.item() == pytest.approx(64 * math.sin(1.5) / math.sin(1.0), rel=1e-12)  # 75.87, not 64
    cosine.grad = None
    ArcFace(margin=0.5, scale=64.0, straight_through=True).target(cosine, rows).sum().backward()
    assert cosine.grad.item() == pytest.approx(64.0)


def test_d5_all_three_margins_count():
    theta = math.acos(0.5)
    value = target_at(CombinedMargin(m1=1.0, m2=0.3, m3=0.2, scale=1.0), theta).item()
    assert value == pytest.approx(math.cos(theta + 0.3) - 0.2, abs=1e-12)
    assert value == pytest.approx(0.0217, abs=1e-4)
    value = target_at(CombinedMargin(m1=1.35, m2=0.0, m3=0.0, scale=1.0), theta).item()
    assert value == pytest.approx(math.cos(1.35 * theta), abs=1e-12)


@pytest.mark.parametrize("margin", [ArcFace(), CombinedMargin(), cones.ASoftmax(), cones.LSoftmax()], ids=repr)
def test_d6_a_worse_sample_never_gets_a_larger_target(margin):
    logit = target_at(margin, torch.linspace(0, math.pi, 10001, dtype=torch.float64))
    assert (logit.diff() <= 1e-12).all()
    assert logit.diff().abs().max() < 0.02 * float(margin.scale)  # and nothing jumps


@pytest.mark.parametrize("margin", EVERY_MARGIN, ids=repr)
def test_d12_an_empty_batch_is_zero_not_nan(margin):
    head = Head(4, 3, of_classes(margin, range(3)))
    loss = head(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert (head.weight.grad == 0).all()


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (torch.tensor([0.0, 1.0]), r"labels has dtype torch.float32"),
        (torch.tensor([0, -1]), r"labels\[1\] is -1, but the head has 3 classes \(0\.\.2\)"),
        (torch.tensor([3, 0]), r"labels\[0\] is 3, but the head has 3 classes \(0\.\.2\)"),
    ],
)
def test_d12_and_d14_wrong_labels_name_the_label_and_the_classes(labels, text):
    with pytest.raises((TypeError, ValueError), match=text):
        Head(4, 3, CosFace())(torch.randn(2, 4), labels)
