"""The founding notes' worked numbers, with their slips corrected."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cones
from cones.probability import cross_entropy, softmax, softmax_loss
from tests.narrowing import grad_of


def test_softmax_of_one_two_three():
    s = softmax(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    assert s.tolist() == pytest.approx([0.09003057, 0.24472847, 0.66524096], abs=1e-8)
    assert s.tolist() == pytest.approx([0.09, 0.24, 0.67], abs=5e-3)  # as the notes round it


def test_the_notes_example_is_misclassified():
    """The sample's class is the second; the third has the largest logit; its loss is 1.4076."""
    logits = torch.tensor([1.0, 2.0, 3.0])
    assert logits.argmax() == 2
    assert softmax_loss(logits, torch.tensor(1)).item() == pytest.approx(1.4076, abs=1e-4)


@pytest.mark.parametrize(
    ("probabilities", "loss"),
    [
        ([0.1, 0.15, 0.05, 0.6, 0.1], 0.5108),
        ([0.05, 0.15, 0.4, 0.3, 0.1], 1.2040),
        ([0.15, 0.2, 0.4, 0.1, 0.15], 2.3026),
    ],
)
def test_five_classes_label_four_counted_from_one(probabilities, loss):
    p = torch.tensor(probabilities, dtype=torch.float64)
    one_hot = torch.tensor([0.0, 0, 0, 1, 0], dtype=torch.float64)
    assert cross_entropy(p, torch.tensor(3)).item() == pytest.approx(loss, abs=1e-4)
    assert cross_entropy(p, one_hot).item() == pytest.approx(-math.log(probabilities[3]), abs=1e-12)


def test_a_worse_prediction_costs_more():
    assert -math.log(0.6) < -math.log(0.3) < -math.log(0.1)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=8), st.data())
def test_cross_entropy_of_a_softmax_is_the_softmax_loss(values, data):
    logits = torch.tensor(values, dtype=torch.float64)
    soft = softmax(
        torch.tensor(data.draw(st.lists(st.floats(-3, 3), min_size=len(values), max_size=len(values)))).double()
    )
    label = data.draw(st.integers(0, len(values) - 1))
    torch.testing.assert_close(
        cross_entropy(softmax(logits), torch.tensor(label)), softmax_loss(logits, torch.tensor(label))
    )
    each = torch.stack([softmax_loss(logits, torch.tensor(j)) for j in range(len(values))])
    torch.testing.assert_close(cross_entropy(softmax(logits), soft), (soft * each).sum())


def test_nothing_times_log_of_nothing_is_nothing():
    p = torch.tensor([0.0, 1.0], requires_grad=True)
    loss = cross_entropy(p, torch.tensor([0.0, 1.0]))
    loss.backward()
    assert loss.item() == 0
    assert grad_of(p).tolist() == [0.0, -1.0]
    assert cross_entropy(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])).item() == math.inf


def test_softmax_loss_never_goes_through_a_probability_of_zero():
    assert softmax_loss(torch.tensor([0.0, 2000.0]), torch.tensor(0)).item() == 2000.0
    assert softmax(torch.tensor([0.0, 2000.0])).tolist() == [0.0, 1.0]


def test_one_class_costs_nothing():
    logits = torch.tensor([[5.0]], requires_grad=True)
    loss = softmax_loss(logits, torch.tensor([0]))
    loss.sum().backward()
    assert loss.item() == 0
    assert grad_of(logits).item() == 0


def test_proposition_1_longer_features_please_softmax():
    """Without a bias, lengthening a rightly classified feature raises its probability (NormFace, Prop. 1)."""
    logits = torch.tensor([2.0, 1.0, -1.0])
    probabilities = [softmax(s * logits)[0].item() for s in (1.0, 1.5, 2.0, 4.0)]
    assert probabilities == sorted(probabilities)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: cross_entropy(torch.tensor([0.5, 0.6]), torch.tensor(0)), r"probabilities has a row that sums to 1.1"),
        (lambda: cross_entropy(torch.tensor([-0.5, 1.5]), torch.tensor(0)), r"probabilities holds -0.5"),
        (
            lambda: cross_entropy(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.6])),
            r"target has a row that sums to 1.1",
        ),
        (
            lambda: cross_entropy(torch.tensor([0.5, 0.5]), torch.tensor(2)),
            r"labels run from 2 to 2, but probabilities has 2",
        ),
        (lambda: cross_entropy(torch.full((2, 2), 0.5), torch.tensor([0.5, 0.5])), r"target has shape \(2,\) and"),
        (lambda: softmax_loss(torch.zeros(2, 3), torch.tensor([1])), r"labels has shape \(1,\), expected \(2,\)"),
        (lambda: softmax_loss(torch.zeros(2, 3), torch.tensor([1.0, 0.0])), r"labels has dtype torch.float32"),
        (
            lambda: cross_entropy(torch.zeros(2, 0), torch.tensor([1, 0])),
            r"expected \(..., K\) with at least one class",
        ),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize("name", ["softmax", "softmax_loss", "cross_entropy"])
def test_the_three_are_functions_of_the_package(name):
    """No module of the same name hides one."""
    assert getattr(cones, name) is getattr(cones.probability, name)
