"""Margins with one number per class: a tuple, or a tensor that is learnt."""

import math
import warnings

import pytest
import torch

import cones
from cones import ArcFace, CombinedMargin, CosFace, Head, dense_margin_softmax, margin_softmax
from tests.losses import problem
from tests.narrowing import grad_of

AXES = torch.eye(2, dtype=torch.float64)
KINDS = {
    "CosFace": lambda m: CosFace(margin=m, scale=4.0),
    "ArcFace": lambda m: ArcFace(margin=m, scale=4.0),
    "ArcFace plain": lambda m: ArcFace(margin=m, scale=4.0, tail="plain"),
    "ArcFace monotone": lambda m: ArcFace(margin=m, scale=4.0, tail="monotone"),
    "CombinedMargin m2": lambda m: CombinedMargin(m1=1.2, m2=m, m3=0.1, scale=4.0),
    "CombinedMargin m3": lambda m: CombinedMargin(m1=1.2, m2=0.1, m3=m, scale=4.0),
}
each_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def test_each_row_takes_the_margin_of_its_class():
    losses = margin_softmax(AXES, AXES, torch.tensor([0, 1]), CosFace(margin=(0.0, 0.5), scale=2.0))
    assert losses.tolist() == pytest.approx([math.log1p(math.exp(-2)), math.log1p(math.exp(-1))], rel=1e-14)
    losses = margin_softmax(AXES, AXES, torch.tensor([0, 1]), ArcFace(margin=(0.0, math.pi / 2), scale=2.0))
    assert losses.tolist() == pytest.approx([math.log1p(math.exp(-2)), math.log(2)], rel=1e-14)


@each_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_tensor_is_the_same_as_a_tuple(make, dtype):
    x, w, y, _ = problem(dtype=dtype)
    margins = torch.linspace(0, 1, 23)
    expected = margin_softmax(x, w, y, make(tuple(margins.tolist())))
    losses = margin_softmax(x, w, y, make(margins))
    assert torch.equal(losses, expected)
    assert losses.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@each_kind
@pytest.mark.parametrize("subcenters", [1, 2])
@pytest.mark.parametrize("shape", [(5,), ()])
def test_gradient_reaches_a_tensor(make, subcenters, shape):
    """Streamed, and with several centers, where the tensors of a margin pass through each tile."""
    x, w, y, _ = problem(n=6, k=5 * subcenters, d=3, seed=4)
    y = y % 5
    margins = torch.linspace(0.1, 0.5, 5, dtype=torch.float64) if shape else torch.tensor(0.2, dtype=torch.float64)

    def losses(x, w, m):
        return margin_softmax(x, w, y, make(m), subcenters=subcenters, memory_budget=1)

    leaves = [tensor.requires_grad_() for tensor in (x, w, margins)]
    assert torch.autograd.gradcheck(losses, leaves)
    dense = dense_margin_softmax(x, w, y, make(margins), subcenters=subcenters).sum()
    torch.testing.assert_close(
        torch.autograd.grad(losses(*leaves).sum(), leaves), torch.autograd.grad(dense, leaves), rtol=1e-12, atol=1e-12
    )


def test_gradient_of_a_margin_is_known_and_0_for_absent_classes():
    """d loss_i / d m_y = s (1 - p_i) of CosFace."""
    x, w, _, _ = problem()
    y = torch.tensor([4, 4, 0, 22, 4, 0, 9])
    margins = torch.full((23,), 0.3, requires_grad=True)
    losses = margin_softmax(x, w, y, CosFace(margin=margins, scale=4.0))
    losses.sum().backward()
    expected = torch.zeros(23, dtype=torch.float64).index_add_(0, y, 4 * (1 - (-losses.detach()).exp()))
    torch.testing.assert_close(grad_of(margins).double(), expected, rtol=1e-6, atol=1e-6)
    assert (grad_of(margins)[[1, 2, 3]] == 0).all()


def test_margins_are_learnt_beside_the_scale():
    x, _, y, _ = problem(dtype=torch.float32)
    margins = torch.full((23,), 0.3, requires_grad=True)
    head = Head(5, 23, CosFace(margin=margins, scale=4.0), learn_scale=True, subcenters=2)
    head(x, y).backward()
    assert grad_of(head.scale) != 0
    assert ((grad_of(margins) != 0) == torch.isin(torch.arange(23), y)).all()


def test_the_margin_is_by_the_number_among_all_classes_where_a_step_takes_some():
    x, _, y, _ = problem(dtype=torch.float32)
    of_labels = tuple(0.3 if j in y.tolist() else 9.0 for j in range(23))
    one, each = Head(5, 23, CosFace(margin=0.3), sample_rate=0.5), Head(5, 23, CosFace(of_labels), sample_rate=0.5)
    each.load_state_dict(one.state_dict())
    for _ in range(3):
        torch.manual_seed(7)
        expected = one(x, y)
        torch.manual_seed(7)
        assert torch.equal(each(x, y), expected)


@each_kind
def test_compiles_in_one_graph(make):
    x, w, y, _ = problem(dtype=torch.float32)
    margin = make(tuple(0.02 * j for j in range(23)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, while it compiles
        compiled = torch.compile(lambda x, y: margin_softmax(x, w, y, margin), backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x, y), margin_softmax(x, w, y, margin))


def test_text_and_back():
    text = "CombinedMargin(m1=1.0, m2=(0.1, 0.2), m3=(0.0, 0.3), scale=64.0, tail='smooth')"
    margin = cones.margins.parse(text)
    assert margin == CombinedMargin(m2=(0.1, 0.2), m3=(0.0, 0.3))
    assert repr(margin) == text
    assert len({margin, CombinedMargin(m2=(0.1, 0.2), m3=(0.0, 0.3)), CombinedMargin(m2=(0.1, 0.2))}) == 2


def test_an_angle_among_many_that_looks_like_degrees_is_asked_about():
    with pytest.warns(UserWarning, match=r"ArcFace: margin is 28.6 radians"):
        Head(2, 3, ArcFace(margin=(0.3, 28.6, 0.1)))


X, W, Y, _ = problem(k=3)
WRONG = [
    (lambda: CosFace(margin=(0.1, -0.2)), r"CosFace: margin\[1\] is -0.2, expected a finite number of at least 0"),
    (lambda: ArcFace(margin=(float("nan"), 0.1)), r"ArcFace: margin\[0\] is nan, expected a finite number"),
    (lambda: CosFace(margin=(0.1, "0.2")), r"CosFace: margin\[1\] is '0.2', expected a finite number"),  # type: ignore[arg-type]
    (lambda: CosFace(margin=(0.1, torch.tensor(0.2))), r"CosFace: margin\[1\] is a tensor, expected a number, or one"),  # type: ignore[arg-type]
    (lambda: CosFace(margin=[0.1, -0.2]), r"CosFace: margin\[1\] is -0.2, expected a finite number of at least 0"),  # type: ignore[arg-type]
    (lambda: CosFace(margin=torch.zeros(2, 3)), r"CosFace: margin has shape \(2, 3\), expected \(\) or \(K,\)"),
    (lambda: CombinedMargin(m2=(0.1, -0.2)), r"CombinedMargin: m2\[1\] is -0.2"),
    (lambda: CombinedMargin(m3=-0.2), r"CombinedMargin: m3 is -0.2, expected a finite number of at least 0"),
    (lambda: Head(5, 3, CosFace((0.1, 0.2))), r"CosFace: margin has 2 numbers, but there are 3 classes: expected one"),
    (lambda: Head(5, 3, ArcFace(torch.zeros(4))), r"ArcFace: margin has 4 numbers, but there are 3 classes"),
    (lambda: margin_softmax(X, W, Y, CosFace(())), r"CosFace: margin has 0 numbers, but there are 3 classes"),
    (lambda: Head(5, 3, ArcFace(())), r"ArcFace: margin has 0 numbers, but there are 3 classes"),
    (lambda: margin_softmax(X, W, Y, CombinedMargin(m2=(0.1,))), r"m2 has 1 numbers, but there are 3 classes"),
    (lambda: dense_margin_softmax(X, W, Y, CombinedMargin(m3=(0.1,))), r"m3 has 1 numbers, but there are 3 classes"),
]


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text for _, text in WRONG])
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()
