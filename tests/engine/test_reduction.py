"""Head's label smoothing, focal weighting and class weights, against F.cross_entropy and their formulas."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cones import CosFace, Head, NormFace, Softmax
from tests.losses import Bending, Biased, Binary, problem
from tests.narrowing import grad_of, not_none

X, W, Y, B = problem()
WEIGHTS = torch.linspace(0.0, 2.2, 23, dtype=torch.float64)
MARGINS = [Softmax(), CosFace(scale=8.0), Bending()]

each_margin = pytest.mark.parametrize("margin", MARGINS, ids=repr)
each_reduction = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])


def head_of(margin, weight=W, **settings):
    """A head with this weight, in float64."""
    head = Head(5, 23, margin, dtype=torch.float64, **settings)
    with torch.no_grad():
        head.weight.copy_(weight)
    return head


def plainly(head):
    """The cross entropies (N,) of the same margin, unweighted."""
    return head_of(head.margin, head.weight)(X, Y, reduction="none")


@each_reduction
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    "settings", [{"class_weights": WEIGHTS}, {"label_smoothing": 0.2}], ids=lambda s: next(iter(s))
)
def test_softmax_is_torch_cross_entropy(reduction, biased, settings):
    head, x = head_of(Softmax(), bias=biased, **settings), X.clone().requires_grad_()
    if biased:
        with torch.no_grad():
            head.bias.copy_(B)
    leaves = [x, *head.parameters()]
    ours = head(x, Y, reduction=reduction)
    theirs = F.cross_entropy(
        F.linear(x, head.weight, head.bias),
        Y,
        weight=settings.get("class_weights"),
        label_smoothing=settings.get("label_smoothing", 0.0),
        reduction=reduction,
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)
    grads = torch.autograd.grad(ours.sum(), leaves), torch.autograd.grad(theirs.sum(), leaves)
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-12)


@each_margin
@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_is_its_formula(margin, gamma):
    """-(1 - p)^gamma log p, p from the plain loss."""
    head = head_of(margin, focal=gamma)
    p = np.exp(-plainly(head).detach().numpy())
    np.testing.assert_allclose(
        head(X, Y, reduction="none").detach().numpy(), -((1 - p) ** gamma) * np.log(p), rtol=1e-12
    )


def test_focal_of_a_coin_is_known():
    """p = 1/2: (1/2)^2 log 2, a quarter of the cross entropy."""
    loss = Head(2, 2, Softmax(), focal=2.0, dtype=torch.float64)(torch.zeros(1, 2), torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log(2) / 4, rel=1e-14)


def test_focal_counts_the_own_class_with_smoothing_and_leaves_a_penalty_alone():
    smooth = head_of(Softmax(), label_smoothing=0.1)(X, Y, reduction="none")
    p = (-plainly(head_of(Softmax()))).exp()
    both = head_of(Softmax(), label_smoothing=0.1, focal=2.0)(X, Y, reduction="none")
    torch.testing.assert_close(both, (1 - p) ** 2 * smooth)
    penalty = 0.1 * X.square().sum(dim=1)
    entropy = plainly(head_of(Biased())) - penalty
    focused = head_of(Biased(), focal=2.0)(X, Y, reduction="none")
    torch.testing.assert_close(focused, (1 - (-entropy).exp()) ** 2 * entropy + penalty)


@each_margin
@pytest.mark.parametrize(
    "settings",
    [
        {"label_smoothing": 0.2},
        {"focal": 0.5},
        {"focal": 2.0},
        {"class_weights": WEIGHTS},
        {"label_smoothing": 0.1, "focal": 1.5, "class_weights": WEIGHTS},
    ],
    ids=lambda settings: " ".join(settings),
)
@pytest.mark.parametrize("subcenters", [1, 2])
def test_gradcheck(margin, settings, subcenters):
    x, w, y, _ = problem(n=4, k=23 * subcenters, d=5, seed=3)
    head = head_of(margin, w, subcenters=subcenters, **settings)
    x.requires_grad_()

    def loss(x, weight):
        return torch.func.functional_call(head, {"weight": weight}, (x, y % 23))

    assert torch.autograd.gradcheck(loss, (x, head.weight), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("focal", [0.01, 0.5, 2.0])
def test_focal_at_a_loss_of_0_is_finite(dtype, focal):
    """One class alone, and a margin so wide that the loss rounds to 0."""
    axes = torch.eye(2, dtype=dtype)
    for num_classes, margin in ((1, Softmax()), (2, NormFace(scale=1e4))):
        head, x = Head(2, num_classes, margin, focal=focal, dtype=dtype), axes[:1].clone().requires_grad_()
        with torch.no_grad():
            head.weight.copy_(axes[:num_classes])
        loss = head(x, torch.tensor([0]))
        loss.backward()
        assert loss.item() == 0
        assert torch.isfinite(grad_of(x)).all()
        assert torch.isfinite(grad_of(head.weight)).all()


def test_focal_of_small_losses_keeps_its_digits():
    """1 - p of a loss of 1e-12 is 1e-12, not what is left of 1 - 0.999..."""
    gap = torch.tensor([[27.0, 0.0]], dtype=torch.float64)
    head = Head(2, 2, Softmax(), focal=1.0, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.eye(2))
    assert head(gap, torch.tensor([0])).item() == pytest.approx(math.log1p(math.exp(-27)) ** 2, rel=1e-9)


@each_reduction
def test_reductions(reduction):
    head = head_of(CosFace(scale=8.0), class_weights=WEIGHTS, focal=1.0)
    rows = head(X, Y, reduction="none")
    assert rows.shape == (7,)
    expected = {"none": rows, "sum": rows.sum(), "mean": rows.sum() / WEIGHTS[Y].sum()}[reduction]
    torch.testing.assert_close(head(X, Y, reduction=reduction), expected)
    with pytest.raises(ValueError, match=r"reduction is 'avg', expected 'none', 'mean' or 'sum'"):
        head(X, Y, reduction="avg")


@each_reduction
def test_no_rows_is_0(reduction):
    head = head_of(CosFace(), class_weights=WEIGHTS, focal=0.5, label_smoothing=0.1)
    loss = head(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), reduction=reduction)
    assert loss.shape == ((0,) if reduction == "none" else ())
    loss.sum().backward()
    assert loss.sum().item() == 0
    assert (head.weight.grad == 0).all()


def test_rows_that_do_not_count_have_mean_0():
    """F.cross_entropy divides 0 by 0 here."""
    head, x = head_of(Softmax(), class_weights=torch.zeros(23)), X.clone().requires_grad_()
    loss = head(x, Y)
    loss.backward()
    assert loss.item() == 0
    assert (x.grad == 0).all()


def test_class_weights_are_saved_and_resumed():
    head = Head(5, 23, CosFace(), class_weights=WEIGHTS)
    assert set(head.state_dict()) == {"weight", "class_weights"}
    other = Head(5, 23, CosFace(), class_weights=torch.ones(23))
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(X.float(), Y), head(X.float(), Y))
    assert torch.equal(copy.deepcopy(head)(X.float(), Y), head(X.float(), Y))
    assert set(Head(5, 23, CosFace()).state_dict()) == {"weight"}


def test_class_weights_are_a_copy_without_gradient():
    given = torch.ones(23, requires_grad=True)
    head = Head(5, 23, CosFace(), class_weights=given)
    with torch.no_grad():
        not_none(head.class_weights).mul_(3)
    assert (given == 1).all()
    assert not not_none(head.class_weights).requires_grad
    on_meta = Head(5, 23, CosFace(), class_weights=given, device="meta")
    assert not_none(on_meta.class_weights).device.type == "meta"


def test_counts_of_samples_may_be_weights():
    """Whole numbers, and a class weighted 3 is as if its rows came three times."""
    whole = torch.ones(23, dtype=torch.long)
    whole[Y[0]] = 3
    times = torch.where(Y[0] == Y, 3, 1)
    again = head_of(Softmax())(X.repeat_interleave(times, dim=0), Y.repeat_interleave(times))
    torch.testing.assert_close(head_of(Softmax(), class_weights=whole)(X, Y), again)


def test_class_weights_with_some_of_the_classes():
    """Weights go by the label's number among all classes, whatever classes a step takes."""
    weighted = Head(5, 23, CosFace(), class_weights=WEIGHTS, sample_rate=0.5, dtype=torch.float64)
    plain = Head(5, 23, CosFace(), sample_rate=0.5, dtype=torch.float64)
    with torch.no_grad():
        plain.weight.copy_(weighted.weight)
    rows = []
    for head in (plain, weighted):
        torch.manual_seed(5)
        rows.append(head(X, Y, reduction="none"))
    torch.testing.assert_close(rows[1], WEIGHTS[Y] * rows[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_features(dtype):
    head = Head(5, 23, CosFace(scale=8.0), class_weights=WEIGHTS, focal=0.5, label_smoothing=0.1)
    x = X.to(dtype).requires_grad_()
    loss = head(x, Y)
    loss.backward()
    assert loss.dtype == torch.float32
    assert x.grad.dtype == dtype
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_class_has_no_loss_smoothed_or_not(dtype):
    head = Head(5, 1, CosFace(scale=64.0), label_smoothing=0.1, dtype=dtype)
    assert head(torch.randn(50, 5, dtype=dtype), torch.zeros(50, dtype=torch.long)) == 0


WRONG = [
    (lambda: Head(5, 3, CosFace(), class_weights=torch.ones(2)), r"class_weights has shape \(2,\), expected \(3,\)"),
    (
        lambda: Head(5, 3, CosFace(), class_weights=torch.tensor([1.0, -1.0, 2.0])),
        r"class_weights\[1\] is -1.0, expected a finite number of at least 0",
    ),
    (lambda: Head(5, 2, CosFace(), class_weights=torch.tensor([1.0, math.nan])), r"class_weights\[1\] is nan"),
    (lambda: Head(5, 2, CosFace(), class_weights=torch.tensor([math.inf, 1.0])), r"class_weights\[0\] is inf"),
    (lambda: Head(5, 3, CosFace(), focal=math.nan), r"focal is nan, expected a finite number of at least 0"),
    (lambda: Head(5, 3, CosFace(), focal=math.inf), r"focal is inf, expected a finite number of at least 0"),
    (lambda: Head(5, 3, CosFace(), label_smoothing=-0.1), r"label_smoothing is -0.1, expected a number in \[0, 1\)"),
    (lambda: head_of(Binary(), focal=1.0)(X, Y), r"focal is 1.0, but Binary is not a cross entropy.*pass focal=0"),
    (
        lambda: head_of(Binary(), label_smoothing=0.1)(X, Y),
        r"label_smoothing is 0.1, but Binary is not a cross entropy.*pass label_smoothing=0",
    ),
]


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text for _, text in WRONG])
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()
