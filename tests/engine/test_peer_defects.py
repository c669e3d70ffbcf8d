"""Defects measured in other libraries, D1 to D14, each one test that must pass here.

`benchmarks/differences/run.py` runs the other side of most of them; docs/differences.md is what it found.
"""

import math
import subprocess
import sys

import pytest
import torch

import cones
from cones import ArcFace, ClassSGD, CombinedMargin, CosFace, Head, NormFace, margin_softmax
from tests.losses import EVERY_MARGIN, of_classes
from tests.narrowing import grad_of


def target_at(margin, theta):
    cosine = torch.as_tensor(theta, dtype=torch.float64).reshape(-1).cos()
    one = torch.ones_like(cosine)
    rows = cones.Rows(cosine, one, one, torch.zeros(len(cosine), dtype=torch.long), {})
    return margin.target(cosine, rows)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_d01_gradients_on_the_class_direction_are_finite(sign):
    """pytorch-metric-learning 2.9.0, ArcFaceLoss: a finite loss, and NaN gradients of x and W."""
    w = torch.tensor([[0.6, 0.8], [1.0, 0.0]], requires_grad=True)
    x = (sign * w.detach()[:1]).requires_grad_()
    margin_softmax(x, w, torch.tensor([0]), ArcFace()).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(grad_of(w)).all()


def test_d02_no_seed_gives_a_nan_when_parallel():
    """open-metric-learning, wespeaker, FaceX-Zoo: the root of 1 - cos^2; a NaN loss in 81 of 200 seeds."""
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        w = torch.randn(3, 8, generator=generator)
        x = (w[:1] * 0.37).requires_grad_()
        loss = margin_softmax(x, w, torch.tensor([0]), ArcFace())
        loss.sum().backward()
        assert torch.isfinite(loss).all(), seed
        assert torch.isfinite(grad_of(x)).all(), seed


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_d03_the_master_weight_stays_float32(dtype):
    """pytorch-metric-learning 2.9.0: a forward of bfloat16 features makes W bfloat16, for good."""
    head = Head(4, 3, ArcFace())
    head(torch.randn(2, 4, dtype=dtype), torch.tensor([0, 1])).backward()
    assert head.weight.dtype == torch.float32
    assert grad_of(head.weight).dtype == torch.float32


def test_d04_the_derivative_of_arcface_is_the_true_one():
    """insightface, opensphere: 64, the derivative without the margin, where that of the loss is 75.87."""
    theta = torch.tensor(1.0, dtype=torch.float64)
    cosine = theta.cos().reshape(1).requires_grad_()
    one = torch.ones(1, dtype=torch.float64)
    rows = cones.Rows(cosine, one, one, torch.zeros(1, dtype=torch.long), {})
    ArcFace(margin=0.5, scale=64.0).target(cosine, rows).sum().backward()
    assert grad_of(cosine).item() == pytest.approx(64 * math.sin(1.5) / math.sin(1.0), rel=1e-12)  # 75.87, not 64
    cosine.grad = None
    ArcFace(margin=0.5, scale=64.0, straight_through=True).target(cosine, rows).sum().backward()
    assert grad_of(cosine).item() == pytest.approx(64.0)


def test_d05_all_three_margins_count():
    """insightface: (1, 0.3, 0.2) drops m2 and gives 0.3000 for 0.0217; m1 = 1.35 raises RuntimeError."""
    theta = math.acos(0.5)
    value = target_at(CombinedMargin(m1=1.0, m2=0.3, m3=0.2, scale=1.0), theta).item()
    assert value == pytest.approx(math.cos(theta + 0.3) - 0.2, abs=1e-12)
    assert value == pytest.approx(0.0217, abs=1e-4)
    value = target_at(CombinedMargin(m1=1.35, m2=0.0, m3=0.0, scale=1.0), theta).item()
    assert value == pytest.approx(math.cos(1.35 * theta), abs=1e-12)


@pytest.mark.parametrize("margin", [ArcFace(), CombinedMargin(), cones.ASoftmax(), cones.LSoftmax()], ids=repr)
def test_d06_a_worse_sample_never_gets_a_larger_target(margin):
    """insightface, ArcFace past pi - m: the target rises from -0.999 to -0.878 as the sample gets worse."""
    logit = target_at(margin, torch.linspace(0, math.pi, 10001, dtype=torch.float64))
    assert (logit.diff() <= 1e-12).all()
    assert logit.diff().abs().max() < 0.02 * float(margin.scale)  # and nothing jumps


@pytest.mark.parametrize("labels", [[10, 10, 10, 10], [0, 1, 2, 10], [0, -1, 2, 3]], ids=repr)
def test_d07_a_label_of_no_class_is_an_error_and_no_loss(labels):
    """insightface, PartialFC: taken for a class of another rank; loss 69.0776 = -log 1e-30, and no error."""
    head = Head(8, 10, CosFace())
    row = next(row for row, label in enumerate(labels) if not 0 <= label < 10)
    with pytest.raises(ValueError, match=rf"labels\[{row}\] is {labels[row]}, but the head has 10 classes \(0\.\.9\)"):
        head(torch.randn(4, 8), torch.tensor(labels))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_d08_a_loss_does_not_saturate(dtype):
    """insightface, DistCrossEntropy: 69.08 where the loss is 400, and no gradient left."""
    w = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=dtype)
    x = torch.tensor([[-1.0, 1e-3]], dtype=dtype, requires_grad=True)
    loss = margin_softmax(x, w, torch.tensor([0]), NormFace(scale=200.0))
    loss.sum().backward()
    assert loss.item() == pytest.approx(400 / math.sqrt(1 + 1e-6), rel=1e-6)
    assert grad_of(x)[0, 1].item() == pytest.approx(-400 * 1e-3, rel=1e-3)


def test_d09_rows_that_were_not_sampled_stay_with_their_momentum():
    """insightface, PartialFC at rate 0.1: momentum and decay move 1000 of 1000 rows, 100 of which were sampled."""
    torch.manual_seed(0)
    head = Head(8, 1000, CosFace(), sample_rate=0.1)
    optimizer = ClassSGD(head, lr=0.1, momentum=0.9, weight_decay=5e-4)
    for _ in range(2):
        before = head.weight.detach().clone()
        momentum = optimizer.state[head.weight].get("momentum_buffer", torch.zeros_like(before)).clone()
        head(torch.randn(20, 8), torch.arange(20)).backward()
        optimizer.step()
        moved = (head.weight.detach() != before).any(dim=1)
        assert 50 < moved.sum() < 170
        assert torch.equal(optimizer.state[head.weight]["momentum_buffer"][~moved], momentum[~moved])


def test_d10_a_call_leaves_its_arguments_alone_and_takes_any_batch_on_any_device():
    """insightface, PartialFC: squeezes the caller's labels; a smaller last batch, or a CPU, is an AssertionError."""
    head = Head(8, 10, CosFace())
    features, labels = torch.randn(4, 8), torch.arange(4)
    kept = features.clone(), labels.clone()
    head(features, labels).backward()
    assert torch.equal(features, kept[0])
    assert torch.equal(labels, kept[1])
    column = torch.tensor([[3], [4]])
    with pytest.raises(ValueError, match=r"labels has shape \(2, 1\), expected \(2,\).*call labels.squeeze\(1\)"):
        head(features[:2], column)
    assert column.shape == (2, 1)
    for rows in (4, 3, 1, 4):
        assert torch.isfinite(head(features[:rows], labels[:rows]))


def test_d11_cosface_takes_the_margin_off_the_cosine_of_the_own_class_alone():
    """quaterion: s cos(cos - m) and s cos(cos) for the others; 7.958 for a loss of 0, 1.0 for a target of 0."""
    assert target_at(CosFace(margin=0.35, scale=1.0), math.acos(0.35)).item() == pytest.approx(0.0, abs=1e-12)
    w = torch.eye(3, dtype=torch.float64)
    loss = margin_softmax(w[:1], w, torch.tensor([0]), CosFace(margin=0.35, scale=64.0))
    assert loss.item() == pytest.approx(2 * math.exp(-64 * 0.65), rel=1e-12)


@pytest.mark.parametrize("margin", EVERY_MARGIN, ids=repr)
def test_d12_an_empty_batch_is_zero_and_wrong_labels_are_named(margin):
    """pytorch-metric-learning 2.9.0: NaN for no rows; an IndexError that names neither the label nor the classes."""
    head = Head(4, 3, of_classes(margin, range(3)))
    loss = head(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert (grad_of(head.weight) == 0).all()
    for labels, kind, text in (
        ([0.0, 1.0], TypeError, r"labels has dtype torch.float32, expected integers: call labels.long\(\)"),
        ([0, -1], ValueError, r"labels\[1\] is -1, but the head has 3 classes \(0\.\.2\)"),
        ([3, 0], ValueError, r"labels\[0\] is 3, but the head has 3 classes \(0\.\.2\)"),
    ):
        with pytest.raises(kind, match=text):
            head(torch.randn(2, 4), torch.tensor(labels))


def test_d13_evaluation_asks_for_no_index_library():
    """pytorch-metric-learning 2.9.0: AccuracyCalculator() is a NameError where faiss is not installed."""
    code = (
        "import sys; sys.modules['faiss'] = None\n"
        "import torch, cones.evaluation\n"
        "features, labels = torch.randn(20, 4), torch.arange(20) % 5\n"
        "cones.evaluation.geometry(features, labels)\n"
        "cones.evaluation.angular_fisher_score(features, labels)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8])
def test_d14_a_negative_label_is_named_with_its_row(dtype):
    """open-metric-learning: checks the upper bound alone; later "Class values must be non-negative"."""
    with pytest.raises(ValueError, match=r"labels\[1\] is -1, but the head has 3 classes \(0\.\.2\)"):
        Head(4, 3, CosFace())(torch.randn(2, 4), torch.tensor([0, -1], dtype=dtype))
