"""The engine beyond the contract: dtypes, partial gradients, reuse, autocast, compile, memory, errors."""

import warnings

import pytest
import torch

import cones
from cones import ArcFace, CosFace, Head, NormFace, Softmax, dense_margin_softmax, margin_softmax
from tests.losses import Bending, problem
from tests.narrowing import grad_of, not_none


@pytest.mark.parametrize("margin", [ArcFace(), Bending()], ids=repr)
@pytest.mark.parametrize("wanted", ["features", "weight", "neither"])
def test_only_what_needs_a_gradient_gets_one(margin, wanted):
    x, w, y, _ = problem()
    x.requires_grad_(wanted == "features")
    w.requires_grad_(wanted == "weight")
    losses = margin_softmax(x, w, y, margin)
    assert losses.requires_grad == (wanted != "neither")
    if wanted != "neither":
        losses.sum().backward()
    assert (x.grad is not None) == (wanted == "features")
    assert (w.grad is not None) == (wanted == "weight")


def test_twice_in_one_graph():
    x, _, y, _ = problem()
    head = Head(5, 23, ArcFace(), dtype=torch.float64)
    x.requires_grad_()
    (head(x, y) + 2 * head(2 * x, y)).backward()
    twice, weight = grad_of(x).clone(), grad_of(head.weight).clone()
    x.grad = head.weight.grad = None
    for factor, scale in ((1, 1), (2, 2)):
        (factor * head(scale * x, y)).backward()
    torch.testing.assert_close(twice, x.grad)
    torch.testing.assert_close(weight, head.weight.grad)


def test_a_graph_kept_for_a_second_backward_gives_the_same():
    x, w, y, _ = problem()
    w.requires_grad_()
    loss = margin_softmax(x, w, y, ArcFace()).sum()
    loss.backward(retain_graph=True)
    first = w.grad.clone()
    w.grad = None
    loss.backward()
    torch.testing.assert_close(w.grad, first, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weight_keeps_its_dtype_whatever_the_features_are(dtype):
    """Peers rewrite the float32 master weight as the features' dtype for good."""
    head = Head(5, 23, ArcFace())
    before = head.weight.detach().clone()
    x, _, y, _ = problem(dtype=dtype)
    x.requires_grad_()
    loss = head(x, y)
    loss.backward()
    assert head.weight.dtype == grad_of(head.weight).dtype == torch.float32
    assert torch.equal(head.weight.detach(), before)
    assert loss.dtype == torch.float32
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("margin", [Softmax(), ArcFace(), Bending()], ids=repr)
def test_autocast_changes_nothing(margin):
    x, w, y, b = problem(dtype=torch.float32)
    outside = margin_softmax(x, w, y, margin, bias=b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = margin_softmax(x, w, y, margin, bias=b)
        dense = dense_margin_softmax(x, w, y, margin, bias=b)
    assert torch.equal(outside, inside)
    torch.testing.assert_close(dense, inside)


def test_gradient_accumulation_is_the_sum():
    x, _, y, _ = problem(n=8)
    head = Head(5, 23, CosFace(), dtype=torch.float64)
    head(x, y, reduction="sum").backward()
    whole = grad_of(head.weight).clone()
    head.weight.grad = None
    for half in (slice(0, 4), slice(4, 8)):
        head(x[half], y[half], reduction="sum").backward()
    torch.testing.assert_close(head.weight.grad, whole)


def test_compiled_backbone_around_the_head():
    torch.manual_seed(0)
    backbone, head = torch.nn.Linear(6, 5), Head(5, 23, ArcFace())
    x, y = torch.randn(7, 6), torch.randint(23, (7,))
    plain = head(backbone(x), y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, while it compiles
        compiled = head(torch.compile(backbone, backend="aot_eager")(x), y)
    torch.testing.assert_close(compiled, plain)
    compiled.backward()
    assert head.weight.grad is not None


@pytest.mark.parametrize("margin", [ArcFace(scale=16.0), Softmax(), Bending()], ids=repr)
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


def test_saturated_losses_are_told_truly():
    """A loss of 400 is reported as 400: nothing is clamped."""
    w = torch.eye(2)
    x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = margin_softmax(x, w, torch.tensor([1]), NormFace(scale=400.0))
    loss.sum().backward()
    assert loss.item() == pytest.approx(400.0)
    assert torch.isfinite(grad_of(x)).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 64.0, 1e4])
def test_any_scale_neither_overflows_nor_vanishes(scale):
    x, w, y, _ = problem(dtype=torch.float32)
    x.requires_grad_()
    losses = margin_softmax(x, w, y, NormFace(scale=scale))
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert torch.isfinite(x.grad).all()
    expected = dense_margin_softmax(x.detach().double(), w.double(), y, NormFace(scale=scale))
    torch.testing.assert_close(losses.detach().double(), expected, rtol=1e-5, atol=1e-5)


def test_nothing_of_size_n_by_k_is_held():
    """Extra memory stays within the budget, seen by what autograd keeps for the backward."""
    n, k, d, budget = 64, 4096, 8, 2**17
    x, w, y, _ = problem(n, k, d, dtype=torch.float32)
    x.requires_grad_()
    largest = 0

    def note(tensor):
        nonlocal largest
        if tensor.data_ptr() != w.data_ptr():
            largest = max(largest, tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        losses = margin_softmax(x, w, y, ArcFace(), memory_budget=budget)
    assert largest <= max(n * d, budget // 4)
    assert torch.allclose(losses, dense_margin_softmax(x, w, y, ArcFace()), atol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning:torch.backends.mkldnn")  # flags() tells of its own old settings
@pytest.mark.parametrize("onednn", [True, False])
def test_any_layout_in_memory_and_either_library(onednn):
    x, w, y, _ = problem(dtype=torch.float32)
    expected = dense_margin_softmax(x, w, y, NormFace())
    wide = torch.zeros(23, 9)
    wide[:, 2:7] = w
    with torch.backends.mkldnn.flags(enabled=onednn):
        for weight in (w.T.contiguous().T, wide[:, 2:7]):
            leaf = weight.detach().requires_grad_()
            losses = margin_softmax(x, leaf, y, NormFace())
            losses.sum().backward()
            torch.testing.assert_close(losses, expected)
            assert torch.isfinite(grad_of(leaf)).all()


def test_not_a_number_is_not_hidden():
    x, w, y, _ = problem()
    x[2, 1] = float("nan")
    losses = margin_softmax(x, w, y, ArcFace())
    assert torch.isnan(losses).nonzero().flatten().tolist() == [2]


X, W, Y, B = problem()


def with_margin(head, margin):
    """The head with another margin than it was built with."""
    head.margin = margin
    return head


WRONG = [
    (
        lambda: margin_softmax(X, W, Y.float(), ArcFace()),
        TypeError,
        r"labels has dtype torch.float32, expected integers: call labels.long\(\)",
    ),
    (lambda: margin_softmax(X, W, Y.bool(), ArcFace()), TypeError, r"labels has dtype torch.bool"),
    (
        lambda: margin_softmax(X, W, Y[:, None], ArcFace()),
        ValueError,
        r"labels has shape \(7, 1\), expected \(7,\).*labels.squeeze\(1\)",
    ),
    (lambda: margin_softmax(X, W, Y[:3], ArcFace()), ValueError, r"labels has shape \(3,\), expected \(7,\)"),
    (
        lambda: margin_softmax(X, W, Y.clone().index_fill_(0, torch.tensor(3), 1200), ArcFace()),
        ValueError,
        r"labels\[3\] is 1200, but the head has 23 classes \(0\.\.22\)",
    ),
    (
        lambda: margin_softmax(X, W, Y.clone().index_fill_(0, torch.tensor(2), -1), ArcFace()),
        ValueError,
        r"labels\[2\] is -1, but the head has 23 classes",
    ),
    (
        lambda: margin_softmax(X, W.T, Y, ArcFace()),
        ValueError,
        r"features has 5 dims and weight 23: both must have the same D",
    ),
    (lambda: margin_softmax(X[0], W, Y, ArcFace()), ValueError, r"features has shape \(5,\), expected 2 dimensions"),
    (
        lambda: margin_softmax(X.long(), W, Y, ArcFace()),
        TypeError,
        r"features has dtype torch.int64, expected a floating dtype",
    ),
    (lambda: margin_softmax(X, W[:0], Y, ArcFace()), ValueError, r"expected at least one class"),
    (lambda: margin_softmax(X, W, Y, ArcFace(), bias=B[:5]), ValueError, r"bias has shape \(5,\), expected \(23,\)"),
    (lambda: margin_softmax(X, W, Y, 0.5), TypeError, r"margin is 0.5, expected a cones.Margin such as ArcFace"),  # type: ignore[arg-type]
    (lambda: margin_softmax(X, W, Y, ArcFace(), memory_budget=0), ValueError, r"memory_budget is 0"),
    (lambda: margin_softmax(X, W.to("meta"), Y, ArcFace()), ValueError, r"weight is on meta but features on cpu"),
    (lambda: Head(0, 10, ArcFace()), ValueError, r"in_features is 0, expected a whole number of at least 1"),
    (lambda: Head(2.5, 10, ArcFace()), ValueError, r"in_features is 2.5, expected a whole number"),  # type: ignore[arg-type]
    (lambda: Head(5, "7", ArcFace()), ValueError, r"num_classes is '7', expected a whole number"),  # type: ignore[arg-type]
    (lambda: Head(5, 10**30, ArcFace()), ValueError, r"num_classes is 10+ with in_features 5"),
    (lambda: Head(5, 10, ArcFace), TypeError, r"margin is the class ArcFace, .*: write ArcFace\(\)"),  # type: ignore[arg-type]
    (lambda: Head(5, 10, ArcFace(), dtype=torch.int), TypeError, r"dtype is torch.int32, expected torch.float32"),
    (lambda: Head(5, 10, ArcFace(), group=3), TypeError, r"group is 3, expected a process group"),
    (lambda: Head(5, 10, ArcFace(), bias=None), TypeError, r"bias is None, expected True or False"),  # type: ignore[arg-type]
    (lambda: Head(5, 10, ArcFace(), ignore_index=1.5), TypeError, r"ignore_index is 1.5, expected an integer"),  # type: ignore[arg-type]
    (lambda: Head(5, 10, ArcFace(), focal=None), ValueError, r"focal is None, expected a finite number"),  # type: ignore[arg-type]
    (lambda: Head(5, 10, ArcFace(), label_smoothing="a"), ValueError, r"label_smoothing is 'a', expected"),  # type: ignore[arg-type]
    (lambda: Head(5, 10, ArcFace(), memory_budget="a"), ValueError, r"memory_budget is 'a', expected"),  # type: ignore[arg-type]
    (lambda: margin_softmax(X.to_sparse(), W, Y, ArcFace()), TypeError, r"features has layout .*to_dense\(\)"),
    (lambda: margin_softmax(X, W, Y.to_sparse(), ArcFace()), TypeError, r"labels has layout .*to_dense\(\)"),
    (
        lambda: margin_softmax(X.to(torch.float8_e4m3fn), W, Y, ArcFace()),
        TypeError,
        r"features has dtype torch.float8_e4m3fn, expected a floating dtype of 16 bits or more",
    ),
    (lambda: Head(5, 10, 0.5), TypeError, r"margin is 0.5, expected a cones.Margin"),  # type: ignore[arg-type]
    (
        lambda: Head(5, 10, ArcFace(), subcenters=0),
        ValueError,
        r"subcenters is 0, expected a whole number of at least 1",
    ),
    (
        lambda: margin_softmax(X, W, Y, ArcFace(), subcenters=2),
        ValueError,
        r"subcenters is 2, but weight has 23 rows: expected a whole number of classes of 2 centers each",
    ),
    (lambda: margin_softmax(X, W, Y, ArcFace(), label_smoothing=1.0), ValueError, r"label_smoothing is 1.0"),
    (lambda: Head(5, 10, ArcFace(), focal=-1.0), ValueError, r"focal is -1.0, expected a finite number of at least 0"),
    (lambda: Head(5, 10, ArcFace(), class_weights=W[:3, 0]), ValueError, r"class_weights has shape \(3,\)"),
    (
        lambda: Head(5, 10, ArcFace(), label_smoothing=0.1, sample_rate=0.5),
        ValueError,
        r"label_smoothing is 0.1 and spreads over all classes, but sample_rate is 0.5",
    ),
    (lambda: Head(5, 10, ArcFace(), sample_rate=0.0), ValueError, r"sample_rate is 0.0, expected a share"),
    (
        lambda: Head(5, 23, ArcFace())(X, Y, reduction="avg"),
        ValueError,
        r"reduction is 'avg', expected 'none', 'mean' or 'sum'",
    ),
    (
        lambda: with_margin(Head(5, 23, ArcFace()), cones.CurricularFace())(X, Y),
        ValueError,
        r"CurricularFace keeps a running t, for which this head was not built: make a new Head",
    ),
    (
        lambda: with_margin(Head(5, 23, CosFace()), CosFace(margin=(0.1, 0.2)))(X, Y),
        ValueError,
        r"margin has 2 numbers, but there are 23 classes",
    ),
    (lambda: ArcFace(tail="flat"), ValueError, r"tail is 'flat', expected one of smooth, plain"),  # type: ignore[arg-type]
    (lambda: ArcFace(margin=-0.1), ValueError, r"margin is -0.1, expected a finite number of at least 0"),
    (lambda: cones.LSoftmax(margin=2.7), ValueError, r"margin is 2.7, expected a whole number of at least 1"),  # type: ignore[arg-type]
    (lambda: cones.ASoftmax(margin=0), ValueError, r"margin is 0, expected a whole number of at least 1"),
    (lambda: cones.ASoftmax(blend=-1.0), ValueError, r"blend is -1.0"),
    (lambda: cones.CombinedMargin(tail="easy"), ValueError, r"tail is 'easy', expected 'smooth' or 'plain'"),  # type: ignore[arg-type]
    (lambda: cones.CombinedMargin(m1=0.0), ValueError, r"m1 is 0.0, expected a finite number above 0"),
    (lambda: CosFace(scale=float("nan")), ValueError, r"scale is nan"),
    (lambda: cones.margins.parse("ArcFase"), ValueError, r"'ArcFase' is not a margin \(did you mean ArcFace\?\)"),
    (
        lambda: cones.margins.parse("ArcFace(margn=1)"),
        ValueError,
        r"ArcFace has no field 'margn' \(did you mean margin\?\)",
    ),
    (lambda: cones.margins.parse("ArcFace(0.5)"), ValueError, r"write 0.5 by its field name"),
    (lambda: cones.margins.parse("ArcFace(margin="), ValueError, r"cannot read 'ArcFace\(margin='"),
    (lambda: cones.margins.parse("__import__('os')"), ValueError, r"write 'os' by its field name"),
    (lambda: cones.margins.parse("ArcFace(**x)"), ValueError, r"write each field by name"),
    (lambda: cones.margins.parse("lambda: 0"), ValueError, r"expected a number, a string or Name"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_errors_say_what_is_wrong(call, kind, text):
    with pytest.raises(kind, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_labels_are_not_changed():
    labels = torch.tensor([0, 1], dtype=torch.int32)
    margin_softmax(torch.randn(2, 3), torch.randn(2, 3), labels, ArcFace())
    assert labels.dtype == torch.int32
    assert labels.tolist() == [0, 1]


def test_a_margin_that_looks_like_degrees_is_asked_about():
    with pytest.warns(UserWarning, match=r"ArcFace: margin is 28.6 radians.*28.6 degrees would be 0.4992"):
        Head(2, 10, ArcFace(margin=28.6))
    with pytest.warns(UserWarning, match=r"CombinedMargin: m2 is 17.2 radians"):
        Head(2, 10, cones.CombinedMargin(m2=17.2))


def test_head_shows_its_configuration():
    text = repr(Head(2, 10, CosFace(margin=0.2, scale=16.0), bias=True))
    assert (
        text
        == "Head(in_features=2, num_classes=10, margin=CosFace(margin=0.2, scale=16.0), bias=True, learn_scale=False)"
    )


def test_head_predicts_without_label_or_margin():
    x, _, _, b = problem()
    head = Head(5, 23, cones.L2Softmax(scale=7.0), bias=True, dtype=torch.float64)
    with torch.no_grad():
        not_none(head.bias).copy_(b)
    unit = x / x.norm(dim=1, keepdim=True)
    torch.testing.assert_close(head.logits(x), 7.0 * unit @ head.weight.T + b)


def test_state_dict_holds_every_learnt_thing():
    head = Head(5, 23, ArcFace(), bias=True, learn_scale=True)
    assert set(head.state_dict()) == {"weight", "bias", "scale"}
    other = Head(5, 23, ArcFace(), bias=True, learn_scale=True)
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(X.float(), Y), head(X.float(), Y))


def test_plain_softmax_is_torch_cross_entropy():
    """The line that a user replaces: F.cross_entropy(fc(x), y) by head(x, y)."""
    fc = torch.nn.Linear(5, 23, dtype=torch.float64)
    head = Head(5, 23, Softmax(), bias=True, dtype=torch.float64)
    head.load_state_dict(fc.state_dict())
    torch.testing.assert_close(head(X, Y), torch.nn.functional.cross_entropy(fc(X), Y), rtol=1e-14, atol=1e-14)
