"""Rows of `ignore_index` have no effect; other wrong labels are reported."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cones import AdaFace, ArcFace, CenterLoss, ClassSGD, CosFace, Head, Softmax, SphereFace2, margin_softmax
from tests.losses import EVERY_MARGIN, of_classes, problem
from tests.narrowing import grad_of, not_none

IGNORED = torch.tensor([False, True, False, False, True, False, False])


def with_ignored(y, ignore_index=-100):
    return torch.where(IGNORED, ignore_index, y)


def deterministic(margin):
    return type(margin).__name__ != "ElasticFace" or margin.std == 0


MARGINS = [of_classes(margin, range(23)) for margin in EVERY_MARGIN if deterministic(margin)]


@pytest.mark.parametrize("margin", MARGINS, ids=lambda margin: repr(margin)[:60])
@pytest.mark.parametrize("budget", [1, 2**28])
def test_ignored_rows_have_no_loss_and_no_gradient(margin, budget):
    x, w, y, b = problem()
    kept = ~IGNORED
    whole, part = ([t.clone().requires_grad_() for t in (x, w, b)] for _ in range(2))
    losses = margin_softmax(whole[0], whole[1], with_ignored(y), margin, bias=whole[2], memory_budget=budget)
    expected = margin_softmax(part[0][kept], part[1], y[kept], margin, bias=part[2], memory_budget=budget)
    assert (losses[IGNORED] == 0).all()
    torch.testing.assert_close(losses[kept], expected)
    losses.sum().backward()
    expected.sum().backward()
    assert (whole[0].grad[IGNORED] == 0).all()
    for one, other in zip(whole, part, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, while it compiles
def test_it_is_the_habit_of_cross_entropy(reduction, weighted, compiled):
    x, _, y, _ = problem()
    x = torch.where(IGNORED[:, None], torch.nan, x) if not compiled else x  # what a padding row holds is of no matter
    weights = torch.linspace(0.5, 2, 23, dtype=torch.float64) if weighted else None
    head = Head(5, 23, Softmax(), class_weights=weights, dtype=torch.float64)
    call = torch.compile(head, backend="aot_eager", fullgraph=True) if compiled else head
    loss = call(x.requires_grad_(), with_ignored(y), reduction)
    expected = F.cross_entropy(x.nan_to_num() @ head.weight.T, with_ignored(y), weight=weights, reduction=reduction)
    torch.testing.assert_close(loss, expected)
    loss.sum().backward()
    assert (grad_of(x)[IGNORED] == 0).all()


@pytest.mark.parametrize("ignore_index", [-1, 3, 255])
def test_another_number_may_be_ignored(ignore_index):
    x, w, y, _ = problem()
    y = y.masked_fill(y == ignore_index, 0)
    labels = with_ignored(y, ignore_index)
    losses = margin_softmax(x, w, labels, ArcFace(), ignore_index=ignore_index)
    torch.testing.assert_close(losses, margin_softmax(x, w, with_ignored(y), ArcFace()))
    head = Head(5, 23, ArcFace(0.2, 8.0), ignore_index=ignore_index, dtype=torch.float64)
    torch.testing.assert_close(head(x, labels), head(x[~IGNORED], y[~IGNORED]))


@pytest.mark.parametrize("make", [lambda: AdaFace(), lambda: CosFace(scale=8.0)])
def test_all_rows_ignored_are_as_no_rows(make):
    head = Head(5, 23, make(), dtype=torch.float64)
    x = problem()[0].requires_grad_()
    loss = head(x, torch.full((7,), -100))
    loss.backward()
    assert loss.item() == 0
    assert (grad_of(head.weight) == 0).all()
    assert (x.grad == 0).all()


def test_running_numbers_do_not_see_them():
    x, _, y, _ = problem(dtype=torch.float32)
    one, other = (Head(5, 23, AdaFace()) for _ in range(2))
    one(torch.where(IGNORED[:, None], 1e6, x), with_ignored(y))
    other(x[~IGNORED], y[~IGNORED])
    assert one.running_mean == other.running_mean


@pytest.mark.parametrize("sample_rate", [1.0, 0.3])
def test_together_with_an_update_in_the_backward(sample_rate):
    x, _, y, _ = problem()
    one = Head(5, 23, ArcFace(0.2, 8.0), sample_rate=sample_rate, dtype=torch.float64)
    other = Head(5, 23, ArcFace(0.2, 8.0), sample_rate=sample_rate, dtype=torch.float64)
    other.load_state_dict(one.state_dict())
    for head, rows, labels in ((one, x, with_ignored(y)), (other, x[~IGNORED], y[~IGNORED])):
        torch.manual_seed(0)
        ClassSGD(head, lr=0.5)
        head(rows, labels).backward()
    torch.testing.assert_close(one.weight, other.weight)


X, W, Y, _ = problem(dtype=torch.float32)
HEAD = Head(5, 23, ArcFace(0.2, 8.0))
WRONG = [
    (lambda: HEAD(X, with_ignored(Y.index_fill(0, torch.tensor([5]), 1200))), ValueError, r"labels\[5\] is 1200"),
    (lambda: HEAD(X, with_ignored(Y, -1)), ValueError, r"labels\[1\] is -1, but the head has 23 classes"),
    (lambda: HEAD(X, Y.numpy()), TypeError, r"labels is a numpy.ndarray, expected a torch.Tensor: call torch.as"),
    (lambda: HEAD(X, Y.tolist()), TypeError, r"labels is a list, expected a torch.Tensor"),
    (lambda: HEAD(X.numpy(), Y), TypeError, r"features is a numpy.ndarray, expected a torch.Tensor"),
    (lambda: margin_softmax(X, W, Y.numpy(), ArcFace()), TypeError, r"labels is a numpy.ndarray"),
    (lambda: CenterLoss(23, 5)(X, Y.numpy()), TypeError, r"labels is a numpy.ndarray"),
    (lambda: CenterLoss(23, 5)(X.numpy(), Y), TypeError, r"features is a numpy.ndarray"),
    (lambda: Head(2, 2, Softmax(), class_weights=np.ones(2)), TypeError, r"class_weights is a numpy.ndarray"),  # type: ignore[arg-type]
    (lambda: HEAD(X, F.one_hot(Y, 23)), ValueError, r"several classes per row \(multi-hot or soft targets\)"),
    (lambda: HEAD(X, F.one_hot(Y, 23).bool()), ValueError, r"labels has shape \(7, 23\): several classes per row"),
    (lambda: Head(5, 23, SphereFace2())(X, F.one_hot(Y, 23).float()), ValueError, r"binary_cross_entropy_with_logits"),
    (lambda: margin_softmax(X, W, F.one_hot(Y, 23).float(), ArcFace()), ValueError, r"several classes per row"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_errors_say_what_is_wrong(call, kind, text):
    with pytest.raises(kind, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_class_weights_on_the_meta_device_are_filled_later():
    with torch.device("meta"):
        head = Head(5, 23, AdaFace(), class_weights=torch.ones(23), bias=True)
    head.to_empty(device="cpu").reset_parameters()
    not_none(head.class_weights).fill_(1.0)
    assert head(X, Y).isfinite()
