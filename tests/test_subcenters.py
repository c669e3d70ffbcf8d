"""Dominant centers and dropped samples: against plain loops, at the edges, and with a fifth of the labels wrong."""

import math

import numpy as np
import pytest
import torch

import cones
from cones import ArcFace, CosFace, Head, Softmax, subcenters
from cones.data import load
from cones.subcenters import dominant_centers, drop, head_of_dominant
from tests.losses import problem
from tests.narrowing import not_none


def in_loops(x, w, y, s, max_angle):
    """The same in NumPy, one sample at a time: counts (K, S), dominant rows of w (K, D), kept (N,), angles (N,)."""
    unit_x, unit_w = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, w))
    counts = np.zeros((len(w) // s, s), dtype=int)
    for sample, label in zip(unit_x, y, strict=True):
        counts[label, np.argmax(unit_w[label * s : (label + 1) * s] @ sample)] += 1
    rows = np.arange(len(counts)) * s + counts.argmax(axis=1)
    angles = np.arccos([sample @ unit_w[rows[label]] for sample, label in zip(unit_x, y, strict=True)])
    return counts, w[rows], angles <= max_angle, angles


@pytest.mark.parametrize("s", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 40, 2**20])
@pytest.mark.parametrize("degrees", [60, 75, 100])
def test_equals_plain_loops(s, block, degrees, monkeypatch):
    monkeypatch.setattr(subcenters, "BLOCK", block)
    x, w, _, _ = problem(n=97, k=7 * s, d=5)
    y = torch.arange(97) % 6  # the last class has no sample
    dropped = drop(x, y, w, s, max_angle=math.radians(degrees))
    counts, weight, kept, angles = in_loops(x.numpy(), w.numpy(), y.numpy(), s, math.radians(degrees))
    np.testing.assert_array_equal(dropped.centers.counts.numpy(), counts)
    np.testing.assert_array_equal(dropped.weight.numpy(), weight)
    np.testing.assert_array_equal(dropped.kept.numpy(), kept)
    np.testing.assert_allclose(dropped.angles.numpy(), angles, rtol=1e-12)
    assert torch.equal(dropped.weight, w[dropped.centers.rows()])


def test_75_degrees_by_default():
    """Samples at 74, 75 and 76 degrees to the one center."""
    theta = torch.tensor([74.0, 75.0 - 1e-9, 76.0], dtype=torch.float64).deg2rad()
    x = torch.stack([theta.cos(), theta.sin()], dim=1)
    dropped = drop(x, torch.zeros(3, dtype=torch.long), torch.tensor([[5.0, 0.0]], dtype=torch.float64), 1)
    assert dropped.kept.tolist() == [True, True, False]
    torch.testing.assert_close(dropped.angles, theta)


def test_equals_go_to_the_first():
    """Two centers in one place, and as many samples at one center as at another."""
    w = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    x = torch.tensor([[3.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 0.0]])
    centers = dominant_centers(x, torch.tensor([0, 0, 1, 1]), w, 2)
    assert centers.counts.tolist() == [[2, 0], [1, 1]]
    assert centers.dominant.tolist() == [0, 0]
    assert centers.rows().tolist() == [0, 2]


def test_the_length_of_a_center_does_not_matter():
    x, w, y, _ = problem(n=50, k=6)
    stretched = w * torch.logspace(-30, 30, 6, dtype=torch.float64)[:, None]
    one, other = (drop(x, y % 2, weight, 3) for weight in (w, stretched))
    assert torch.equal(one.centers.counts, other.centers.counts)
    torch.testing.assert_close(one.angles, other.angles)


def test_a_zero_vector_is_at_right_angles_to_all():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    dropped = drop(x, torch.tensor([0, 1]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]), 1, max_angle=1.5)
    assert dropped.angles.tolist() == pytest.approx([math.pi / 2, math.pi / 2])
    assert dropped.kept.tolist() == [False, False]


def test_no_rows():
    dropped = drop(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), torch.randn(6, 5), 3)
    assert dropped.kept.shape == dropped.angles.shape == (0,)
    assert dropped.centers.counts.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert dropped.centers.dominant.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_any_dtype_and_no_gradient(dtype):
    x, w, y, _ = problem(k=6, dtype=dtype)
    dropped = drop(x.requires_grad_(), y % 2, torch.nn.Parameter(w.float()), 3)
    assert dropped.angles.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert not dropped.weight.requires_grad
    assert not dropped.angles.requires_grad


def test_nearest_is_the_center_that_the_loss_takes():
    """Only the counted centers get a gradient from their own class."""
    x, _, _, _ = problem(n=5, k=1)
    head = Head(5, 1, ArcFace(), subcenters=4, dtype=torch.float64)
    y = torch.zeros(5, dtype=torch.long)
    centers = dominant_centers(x, y, head.weight, 4)
    cosine = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(head.weight).T
    assert torch.equal(centers.counts[0], torch.bincount(cosine.argmax(dim=1), minlength=4))


@pytest.mark.parametrize("margin", [CosFace(scale=8.0), Softmax()], ids=repr)
def test_a_head_of_the_dominant_centers(margin):
    x, _, y, _ = problem(n=40, k=3, dtype=torch.float64)
    head = Head(
        5, 3, margin, bias=True, learn_scale=True, subcenters=4, focal=1.0, label_smoothing=0.1,
        class_weights=torch.tensor([1.0, 2.0, 3.0]), dtype=torch.float64,
    ).eval()  # fmt: skip
    with torch.no_grad():
        not_none(head.bias).copy_(torch.tensor([0.1, 0.2, 0.3]))
        not_none(head.scale).fill_(5.0)
    dropped = drop(x, y, head.weight, 4)
    single = head_of_dominant(head, dropped.centers)
    assert single.subcenters == 1
    assert torch.equal(single.weight, dropped.weight)
    assert not single.training
    for name in ("bias", "scale", "class_weights"):
        assert torch.equal(getattr(single, name), getattr(head, name))
        assert getattr(single, name).data_ptr() != getattr(head, name).data_ptr()
    assert (single.focal, single.label_smoothing, single.margin) == (1.0, 0.1, margin)
    single(x, y).backward()
    assert head.weight.grad is None


def test_a_head_of_one_center_is_its_copy():
    x, _, y, _ = problem(k=4)
    head = Head(5, 4, CosFace(), dtype=torch.float64)
    single = head_of_dominant(head, dominant_centers(x, y, head.weight, 1))
    assert torch.equal(single(x, y), head(x, y))


def wrong_labels(y, num_classes, share, generator):
    """Labels a share of which is that of another class, and which these are."""
    wrong = torch.rand(len(y), generator=generator) < share
    other = (y + torch.randint(1, num_classes, y.shape, generator=generator)) % num_classes
    return torch.where(wrong, other, y), wrong


def precision_and_recall(dropped, wrong):
    """Share of what was dropped that is wrong, and share of what is wrong that was dropped."""
    both = (dropped & wrong).sum()
    return float(both / dropped.sum()), float(both / wrong.sum())


def test_most_wrong_labels_are_dropped_and_few_right_ones():
    """Ten clusters in 32 dims, a fifth of the labels wrong, three centers a class learnt on them."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(10, 32, generator=generator)
    truth = torch.randint(10, (2000,), generator=generator)
    x = means[truth] + 0.5 * torch.randn(2000, 32, generator=generator)
    y, wrong = wrong_labels(truth, 10, 0.2, generator)
    torch.manual_seed(0)
    head = Head(32, 10, CosFace(margin=0.2, scale=16.0), subcenters=3)
    optimizer = torch.optim.SGD(head.parameters(), lr=1.0, momentum=0.9)
    for _ in range(60):
        optimizer.zero_grad()
        head(x, y).backward()
        optimizer.step()
    dropped = drop(x, y, head.weight, 3)
    precision, recall = precision_and_recall(~dropped.kept, wrong)
    assert precision > 0.95
    assert recall > 0.85
    largest = dropped.centers.counts.max(dim=1).values
    assert (largest > 0.5 * dropped.centers.counts.sum(dim=1)).all()  # one center holds the class
    assert (head_of_dominant(head, dropped.centers).logits(x).argmax(dim=1) == truth).float().mean() > 0.98


@pytest.mark.slow
def test_wrong_labels_of_real_digits_are_dropped():
    """Four thousand digits, a fifth of the labels wrong, a small net with three centers a class."""
    generator = torch.Generator().manual_seed(0)
    data = load("mnist5k").train
    images = data.inputs.float() / 255
    y, wrong = wrong_labels(data.labels, 10, 0.2, generator)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 5, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, stride=2), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(32 * 25, 64),
    )  # fmt: skip
    head = Head(64, 10, CosFace(margin=0.1, scale=8.0), subcenters=3)
    optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.05, momentum=0.9)
    for _ in range(4):
        for rows in torch.randperm(len(y), generator=generator).split(64):
            optimizer.zero_grad()
            head(net(images[rows]), y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        features = net(images)
    precision, recall = precision_and_recall(~drop(features, y, head.weight, 3).kept, wrong)
    assert precision > 0.85
    assert recall > 0.7


X, W, Y, _ = problem(k=6)
WRONG = [
    (
        lambda: drop(X, Y, W, 1, max_angle=75.0),
        r"max_angle is 75.0, expected radians in 0..pi; 75.0 degrees",
    ),
    (lambda: drop(X, Y, W, 4), r"subcenters is 4, but weight has 6 rows"),
    (lambda: drop(X, Y, W, 3), r"labels\[\d\] is \d, but the head has 2 classes"),
    (lambda: dominant_centers(X[:, :3], Y, W, 1), r"features has 3 dims and weight 5"),
    (
        lambda: head_of_dominant(Head(5, 3, CosFace(), subcenters=2), dominant_centers(X, Y, W, 1)),
        r"centers are of 6 classes with 1 centers each, but the head has 3 with 2",
    ),
]


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text for _, text in WRONG])
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_it_is_there_as_a_module():
    assert cones.subcenters.drop is drop
