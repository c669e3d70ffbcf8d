"""The engine under PyTorch's own machinery: torch.compile, torch.func, checkpointing, autocast."""

import warnings

import pytest
import torch
from losses import problem
from torch.utils.checkpoint import checkpoint

from cones import ArcFace, Head, L2Softmax, NormFace, Softmax, dense_margin_softmax, margin_softmax


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
            results.append((value.detach(), head.weight.grad, head.bias.grad, backbone.weight.grad))
    torch.testing.assert_close(results[0], results[1])


def test_func_grad_works_for_few_logits_and_is_refused_with_the_way_out_for_many():
    for num_classes in (23, 3000):
        x, w, y, _ = problem(k=num_classes)

        def loss(x, of=margin_softmax, w=w, y=y):
            return of(x, w, y, NormFace()).sum()

        if num_classes == 23:
            by_func = torch.func.grad(loss)(x)
        else:
            with pytest.raises(RuntimeError, match=r"torch.func cannot see.*use dense_margin_softmax there"):
                torch.func.grad(loss)(x)
            by_func = torch.func.grad(lambda x, loss=loss: loss(x, of=dense_margin_softmax))(x)
        leaf = x.clone().requires_grad_()
        loss(leaf).backward()
        torch.testing.assert_close(by_func, leaf.grad)


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
    monkeypatch.setattr("cones.few_logits.FEW", 0)
    x, w, y, _ = problem(k=3000)
    x.requires_grad_()
    (grad,) = torch.autograd.grad(margin_softmax(x, w.requires_grad_(), y, ArcFace()).sum(), w, create_graph=True)
    with pytest.raises(RuntimeError, match=r"no second derivative; dense_margin_softmax has"):
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
