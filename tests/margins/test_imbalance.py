"""LDAM and logit adjustment: worked examples, and errors for wrong counts."""

import math

import pytest
import torch

from cones import LDAM, Head, LogitAdjusted, Softmax, dense_margin_softmax, margin_softmax
from tests.losses import problem

AXES = torch.eye(2, dtype=torch.float64)


def test_ldam_the_rarest_class_has_the_whole_margin_one_16_times_as_frequent_half_of_it():
    losses = margin_softmax(AXES[[0, 0]], AXES, torch.tensor([0, 1]), LDAM(counts=(16, 1), margin=0.5, scale=4.0))
    # cosines 1 and 0: t = 4 (1 - 0.25) against 0, and t = 4 (0 - 0.5) against 4
    assert losses.tolist() == pytest.approx([math.log1p(math.exp(-3)), math.log1p(math.exp(6))], rel=1e-14)


def test_logit_adjusted_without_evidence_is_the_prior():
    nothing = torch.zeros(2, 2, dtype=torch.float64)
    losses = margin_softmax(nothing, AXES, torch.tensor([0, 1]), LogitAdjusted(counts=(90, 10)))
    assert losses.tolist() == pytest.approx([-math.log(0.9), -math.log(0.1)], rel=1e-14)


def test_logit_adjusted_asks_a_rare_class_for_a_margin():
    """log(1 + (pi_j / pi_y)^tau exp(f_j - f_y)), the paper's second form."""
    x, w, _, _ = problem(n=2, k=2)
    y = torch.tensor([0, 1])
    losses = margin_softmax(x, w, y, LogitAdjusted(counts=(90, 10), temperature=1.5))
    gap = ((x @ w.T).diff(dim=1).squeeze(1) * torch.tensor([1.0, -1.0])).exp()
    ratio = torch.tensor([10 / 90, 90 / 10], dtype=torch.float64) ** 1.5
    torch.testing.assert_close(losses, torch.log1p(ratio * gap))


def test_logit_adjusted_predicts_without_the_adjustment():
    x, _, y, _ = problem(k=3)
    head = Head(5, 3, LogitAdjusted(counts=(1, 10, 100)), dtype=torch.float64)
    torch.testing.assert_close(head.logits(x), x @ head.weight.T)
    plain = Head(5, 3, Softmax(), dtype=torch.float64)
    plain.load_state_dict(head.state_dict())
    assert not torch.allclose(head(x, y), plain(x, y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_logit_adjusted_keeps_the_precision_of_the_step(dtype):
    x, w, y, _ = problem(k=3, dtype=dtype)
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    for losses in (margin_softmax, dense_margin_softmax):
        assert losses(x, w, y, LogitAdjusted(counts=(1, 10, 100))).dtype == expected


def test_logit_adjusted_with_some_of_the_classes():
    """The adjustment follows the classes that a step takes."""
    x, _, y, _ = problem(k=23, dtype=torch.float32)
    counts = tuple(range(1, 24))
    head = Head(5, 23, LogitAdjusted(counts=counts), sample_rate=1e-9)  # the labels' classes alone
    taken, place = y.unique(return_inverse=True)
    among = LogitAdjusted(counts=tuple(counts[j] for j in taken.tolist()))
    torch.testing.assert_close(head(x, y), margin_softmax(x, head.weight[taken], place, among).mean())


X, W, Y, _ = problem(k=3)
WRONG = [
    (
        lambda kind: kind(counts=(3, 0, 2)),
        r"counts\[1\] is 0, expected a whole number of at least 1: leave out",
    ),
    (lambda kind: kind(counts=(3, 1.5, 2)), r"counts\[1\] is 1.5, expected a whole number"),
    (lambda kind: kind(counts=(3, True)), r"counts\[1\] is True, expected a whole number"),
    (lambda kind: kind(counts=(3, -1)), r"counts\[1\] is -1, expected a whole number"),
    (lambda kind: kind(counts=31), r"counts is 31, expected a tuple of samples per class"),
    (lambda kind: kind(counts=()), r"counts is \(\), expected a tuple of samples per class"),
    (
        lambda kind: Head(5, 3, kind(counts=(3, 1))),
        r"counts has 2 numbers, but there are 3 classes: expected one per class",
    ),
    (lambda kind: margin_softmax(X, W, Y, kind(counts=(3, 1, 2, 2))), r"counts has 4 numbers, but there are 3 classes"),
    (lambda kind: dense_margin_softmax(X, W, Y, kind(counts=(3,))), r"counts has 1 numbers, but there are 3 classes"),
]


@pytest.mark.parametrize("kind", [LDAM, LogitAdjusted])
@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text for _, text in WRONG])
def test_errors(kind, call, text):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: {text}"):
        call(kind)


def test_errors_of_the_numbers_beside_the_counts():
    with pytest.raises(ValueError, match=r"LDAM: margin is -0.1, expected a finite number of at least 0"):
        LDAM(counts=(1, 2), margin=-0.1)
    with pytest.raises(ValueError, match=r"LogitAdjusted: temperature is nan, expected a finite number of at least 0"):
        LogitAdjusted(counts=(1, 2), temperature=float("nan"))
