"""The engine under PyTorch's transformations: torch.compile, torch.func, checkpointing, autocast."""

import copy
import warnings
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch.utils.checkpoint import checkpoint

import cones
from cones import (
    AdaCos,
    ArcFace,
    CurricularFace,
    Head,
    L2Softmax,
    NormFace,
    Softmax,
    dense_margin_softmax,
    margin_softmax,
)
from tests.engine.contract import dense, each_margin_and_artificial, engine
from tests.losses import EVERY_MARGIN, problem
from tests.narrowing import grad_of


@pytest.mark.parametrize("margin", [ArcFace(), Softmax(), L2Softmax()], ids=repr)
@pytest.mark.parametrize("num_classes", [23, 3000])  # all logits at once, and a stream of tiles
def test_compile_keeps_backbone_and_head_in_one_graph(margin, num_classes):
    torch.manual_seed(0)
    backbone, head = torch.nn.Linear(6, 5), Head(5, num_classes, margin, bias=True)
    x, y = torch.randn(7, 6), torch.randint(num_classes, (7,))

    def losses(x, y):
        return head(backbone(x), y, reduction="none")

    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, while it compiles
        for function in (losses, torch.compile(losses, backend="aot_eager", fullgraph=True)):
            head.zero_grad()
            backbone.zero_grad()
            value = function(x, y)
            value.mean().backward()
            results.append((value.detach(), grad_of(head.weight), grad_of(head.bias), grad_of(backbone.weight)))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("num_classes", [23, 3000])
@pytest.mark.parametrize("field", ["margin", "scale"])
def test_a_schedule_of_a_tensor_compiles_once(num_classes, field):
    """A field that is a number is a constant of the graph, so that each of its values is another graph."""
    torch.manual_seed(0)
    fields: dict[str, Any] = {field: torch.tensor(0.1)}
    head = Head(5, num_classes, ArcFace(**fields))
    x, y = torch.randn(7, 5), torch.randint(num_classes, (7,))
    graphs = CompileCounter()
    torch._dynamo.reset()
    compiled = torch.compile(lambda x, y: head(x, y), backend=graphs, fullgraph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, while it compiles
        for value in (0.1, 0.2, 0.3, 0.4):
            head.margin = replace(head.margin, **{field: torch.tensor(value)})
            assert torch.isclose(compiled(x, y), head(x, y))
            getattr(head.margin, field).fill_(value + 0.05)
            assert torch.isclose(compiled(x, y), head(x, y))
    assert graphs.frame_count == 1


def test_every_number_may_be_a_tensor():
    x, w, y, b = problem()
    for margin in {type(margin): margin for margin in EVERY_MARGIN}.values():
        for name in (f.name for f in fields(margin) if type(getattr(margin, f.name)) is float):
            tensor = torch.tensor(getattr(margin, name), dtype=torch.float64)
            changed = engine(x, w, y, replace(margin, **{name: tensor}), b)
            torch.testing.assert_close(changed, engine(x, w, y, margin, b), msg=f"{margin}, {name}")


def test_func_grad_works_for_few_logits_and_is_refused_with_the_way_out_for_many():
    for num_classes in (23, 3000):
        x, w, y, _ = problem(k=num_classes)

        def loss(x, of=margin_softmax, w=w, y=y):
            return of(x, w, y, NormFace()).sum()

        if num_classes == 23:
            by_func = torch.func.grad(loss)(x)
        else:
            with pytest.raises(RuntimeError, match=r"torch.func does not work.*use dense_margin_softmax instead"):
                torch.func.grad(loss)(x)
            by_func = torch.func.grad(lambda x, loss=loss: loss(x, of=dense_margin_softmax))(x)
        leaf = x.clone().requires_grad_()
        loss(leaf).backward()
        torch.testing.assert_close(by_func, leaf.grad)


@each_margin_and_artificial
@pytest.mark.parametrize("function", [dense, engine])
def test_vmap_of_grad_is_the_gradient_of_each_row(function, margin):
    if type(margin).__name__ == "ElasticFace":
        margin = type(margin)(std=0.0)  # a draw a row: another one in each call
    x, w, y, b = problem()

    def loss(x, y):
        return function(x[None], w, y[None], margin, b)[0]

    by_row = torch.func.vmap(torch.func.grad(loss), randomness="different")(x, y)
    leaf = x.clone().requires_grad_()
    function(leaf, w, y, margin, b).sum().backward()
    torch.testing.assert_close(by_row, leaf.grad)


def test_vmap_refuses_a_wrong_label_of_any_of_its_batch():
    x, w, y, _ = problem()
    y = torch.stack([y, y.clone().index_fill_(0, torch.tensor(2), 40)])
    with pytest.raises(ValueError, match=r"labels\[1, 2\] is 40, but the head has 23 classes"):
        torch.func.vmap(lambda y: dense_margin_softmax(x, w, y, NormFace()))(y)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch, about itself
def test_a_compiled_head_refuses_labels_out_of_range():
    head = torch.compile(Head(4, 7, ArcFace(scale=8.0)), backend="aot_eager", fullgraph=True)
    x = torch.randn(3, 4)
    assert head(x, torch.tensor([0, 6, -100])).isfinite()
    for wrong in (7, -1):
        with pytest.raises(RuntimeError, match=r"labels holds a number outside of 0\.\.6, the classes of the head"):
            head(x, torch.tensor([0, 1, wrong]))


def dual(function, x):
    with torch.autograd.forward_ad.dual_level():
        return function(torch.autograd.forward_ad.make_dual(x, x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch, about itself
@pytest.mark.parametrize(
    "derivative",
    [
        dual,
        lambda function, x: torch.func.jvp(function, (x,), (x,)),
        lambda function, x: torch.func.hessian(function)(x),
    ],
    ids=["dual", "jvp", "hessian"],
)
def test_forward_mode_is_refused_with_the_way_out(derivative):
    head, x, y = Head(4, 7, ArcFace(scale=8.0)), torch.randn(3, 4), torch.tensor([0, 1, 2])
    # the kind of error that PyTorch itself raises where a function has no forward mode
    with pytest.raises(NotImplementedError, match=r"for reverse mode: .*use torch.func.vjp, jacrev"):
        derivative(lambda x: head(x, y), x)
    second = torch.func.jacrev(torch.func.jacrev(lambda x: head(x, y)))(x)
    assert second.shape == (3, 4, 3, 4)


@pytest.mark.parametrize("margin", [CurricularFace(), AdaCos()], ids=repr)
def test_running_numbers_under_func_need_state(margin):
    head, x, y = Head(4, 7, margin), torch.randn(2, 3, 4), torch.tensor([0, 1, 2])
    for function in (torch.func.vmap(lambda x: head(x, y)), torch.func.grad(lambda x: head(x[0], y))):
        with pytest.raises(
            RuntimeError, match=r"updates its running numbers .*: call head.eval\(\), or make the buffers"
        ):
            function(x)
    buffers = {name: number.expand(2).clone() for name, number in head.named_buffers()}
    losses = torch.func.vmap(lambda x, state: torch.func.functional_call(head, state, (x, y)))(x, buffers)
    for row, loss in zip(x, losses, strict=True):
        torch.testing.assert_close(copy.deepcopy(head)(row, y), loss)


def test_vmap_of_probabilities():
    logits, labels = torch.randn(4, 5), torch.arange(4)
    for function, rows in ((cones.softmax_loss, logits), (cones.cross_entropy, logits.softmax(dim=1))):
        torch.testing.assert_close(torch.func.vmap(function)(rows, labels), function(rows, labels))


@pytest.mark.parametrize("loss", [cones.TripletAgents(), cones.ContrastiveAgents()], ids=repr)
def test_vmap_of_grad_of_agents(loss):
    x, w, y, _ = problem()
    by_row = torch.func.vmap(torch.func.grad(lambda x, y: loss(x[None], w, y[None], "sum")))(x, y)
    leaf = x.clone().requires_grad_()
    loss(leaf, w, y, "sum").backward()
    torch.testing.assert_close(by_row, leaf.grad)


def test_activation_checkpointing_gives_the_same_gradients():
    x, _, y, _ = problem()
    head = Head(5, 23, ArcFace(), dtype=torch.float64)
    grads = []
    for call in (head, lambda x, y: checkpoint(head, x, y, use_reentrant=False)):
        leaf = x.clone().requires_grad_()
        head.zero_grad()
        call(leaf, y).backward()
        grads.append((leaf.grad, head.weight.grad))
    torch.testing.assert_close(grads[0], grads[1], rtol=0, atol=0)


def test_a_second_derivative_is_refused_not_wrong(monkeypatch):
    monkeypatch.setattr("cones.engine.few_logits.FEW", 0)
    x, w, y, _ = problem(k=3000)
    x.requires_grad_()
    (grad,) = torch.autograd.grad(margin_softmax(x, w.requires_grad_(), y, ArcFace()).sum(), w, create_graph=True)
    with pytest.raises(RuntimeError, match=r"no second derivative: use dense_margin_softmax"):
        torch.autograd.grad(grad.sum(), x)


def test_threads_may_change_between_forward_and_backward():
    """Tiles are cut once: what the forward kept is read as it was written."""
    x, w, y, _ = problem(300, 5000, 64, dtype=torch.float32)
    w.requires_grad_()
    margin_softmax(x, w, y, ArcFace()).sum().backward()
    expected, w.grad = w.grad, None
    threads = torch.get_num_threads()
    losses = margin_softmax(x, w, y, ArcFace()).sum()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        losses.backward()
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(w.grad, expected)
