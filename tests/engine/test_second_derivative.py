"""Second derivatives are right or refused: gradient penalties, Hessian products, meta-learning."""

import pytest
import torch

import cones
from cones import ArcFace, ClassSGD, Head, L2Softmax, LMSoftmax, NPCFace, Softmax, SphereFace2
from cones.backbones._prelu import PReLU
from cones.common.unit_vectors import direction
from tests.engine.contract import dense, differentiable, each_margin_and_artificial, engine
from tests.losses import ARTIFICIAL, EVERY_MARGIN, problem

REFUSED = r"^the engine has no second derivative: use dense_margin_softmax"


@pytest.fixture
def streamed(monkeypatch):
    """Keeps the engine from making all logits at once."""
    monkeypatch.setattr("cones.engine.small.SMALL", 0)
    monkeypatch.setattr("cones.engine.few_logits.FEW", 0)


def penalised(losses, leaves, of):
    """sum of losses + |its gradient with respect to the leaves `of`|^2, as a gradient penalty has it."""
    gradients = torch.autograd.grad(losses.sum(), [leaves[place] for place in of], create_graph=True)
    return losses.sum() + sum(gradient.to_dense().square().sum() for gradient in gradients)


def leaves_of(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


@each_margin_and_artificial
def test_few_logits_have_the_second_derivative_of_the_specification(margin):
    x, w, y, b = problem()
    found = []
    for function in (engine, dense):
        leaves = leaves_of(x, w, b)
        penalised(function(*leaves[:2], y, margin, leaves[2]), leaves, (0, 1, 2)).backward()
        found.append([leaf.grad for leaf in leaves])
    for grad, expected in zip(*found, strict=True):
        torch.testing.assert_close(grad, expected, rtol=1e-9, atol=1e-10 * float(expected.abs().max()))


# the others hold a part fixed by definition: the derivative of their gradient is not that of a function
@pytest.mark.parametrize("margin", [m for m in (*EVERY_MARGIN, *ARTIFICIAL) if differentiable(m)], ids=repr)
def test_the_specification_has_a_second_derivative(margin):
    x, w, y, b = problem(n=3, k=4, d=3, seed=5)
    leaves = leaves_of(x, w, b)
    assert torch.autograd.gradgradcheck(lambda x, w, b: dense(x, w, y, margin, b), leaves, fast_mode=True)


@each_margin_and_artificial
@pytest.mark.parametrize("of", [0, 1, 2], ids=["features", "weight", "bias"])
def test_many_logits_refuse_one(margin, of, streamed):
    x, w, y, b = problem()
    leaves = leaves_of(x, w, b)
    total = penalised(engine(*leaves[:2], y, margin, leaves[2]), leaves, (of,))
    with pytest.raises(RuntimeError, match=REFUSED):
        total.backward(retain_graph=True)
    for leaf in leaves:
        with pytest.raises(RuntimeError, match=REFUSED):
            torch.autograd.grad(total, leaf, retain_graph=True)


@pytest.mark.parametrize("margin", [ArcFace(), L2Softmax(), LMSoftmax(), NPCFace(), SphereFace2()], ids=repr)
@pytest.mark.parametrize("settings", [{"memory_budget": 1}, {"subcenters": 3}, {"label_smoothing": 0.1}], ids=repr)
@pytest.mark.parametrize("of", [0, 1, 2], ids=["features", "weight", "bias"])
def test_every_way_of_many_logits_refuses_one(margin, settings, of, streamed):
    if "label_smoothing" in settings and isinstance(margin, LMSoftmax | SphereFace2):
        margin = Softmax()  # those are not a cross entropy
    x, w, y, b = problem(k=33)
    classes = 33 // settings.get("subcenters", 1)
    leaves = leaves_of(x, w, b[:classes])
    total = penalised(engine(*leaves[:2], y % classes, margin, leaves[2], **settings), leaves, (of,))
    with pytest.raises(RuntimeError, match=REFUSED):
        total.backward()


@pytest.mark.parametrize("frozen", ["features", "weight"])
@pytest.mark.parametrize("margin", [LMSoftmax(), SphereFace2()], ids=repr)
def test_a_loss_that_is_linear_in_the_rest_is_no_exception(margin, frozen, streamed):
    """The gradient that comes down is then a constant, by which PyTorch's once_differentiable is silenced."""
    x, w, y, _ = problem()
    x.requires_grad_(frozen != "features")
    w.requires_grad_(frozen != "weight")
    leaf = w if frozen == "features" else x
    with pytest.raises(RuntimeError, match=REFUSED):
        penalised(engine(x, w, y, margin), [leaf], (0,)).backward()


@pytest.mark.parametrize("sample_rate", [1.0, 0.7])
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("margin", [Softmax(), LMSoftmax(), ArcFace(torch.full((23,), 0.2).requires_grad_())], ids=repr)
def test_heads_refuse_one(margin, moved, sample_rate, streamed):
    x, _, y, _ = problem()
    head = Head(5, 23, margin, sample_rate=sample_rate, bias=True, learn_scale=True, dtype=torch.float64)
    if moved:
        ClassSGD(head, lr=0.1)
    x.requires_grad_()
    with pytest.raises(RuntimeError, match=REFUSED):
        penalised(head(x, y, reduction="none"), [x], (0,)).backward()


def test_a_graph_that_is_made_and_not_used_does_no_harm(streamed):
    x, w, y, _ = problem()
    plain, graph = leaves_of(x, w), leaves_of(x, w)
    engine(*plain, y, ArcFace()).sum().backward()
    gradients = torch.autograd.grad(engine(*graph, y, ArcFace()).sum(), graph, create_graph=True)
    for gradient, leaf in zip(gradients, plain, strict=True):
        gradient.detach_().mul_(1.0)
        torch.testing.assert_close(gradient, leaf.grad, rtol=0, atol=0)


def test_directions_have_a_second_derivative_that_is_0_for_a_zero_vector():
    x, _, _, _ = problem(n=4, d=3)
    assert torch.autograd.gradgradcheck(direction, (x.clone().requires_grad_(),))
    x[1] = 0
    x.requires_grad_()
    unit, norm = direction(x)
    (gradient,) = torch.autograd.grad((unit.sum(dim=1).exp() + norm).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad[1] == 0).all()


def test_prelu_has_the_second_derivative_of_torch():
    x = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(PReLU(2).double(), (x,))


@pytest.mark.parametrize("loss", [cones.TripletAgents(), cones.ContrastiveAgents(), cones.UNPG(scale=4.0)], ids=repr)
def test_feature_losses_have_one(loss):
    x, w, y, _ = problem(n=4, k=5)
    assert torch.autograd.gradgradcheck(lambda x, w: loss(x, w, y), leaves_of(x, w), fast_mode=True)
