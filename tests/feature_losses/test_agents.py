"""C-contrastive and C-triplet loss against equations 10 and 11 of NormFace."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones import ContrastiveAgents, TripletAgents
from cones.feature_losses import _blocks
from tests.losses import problem
from tests.narrowing import grad_of

AGENTS: list[ContrastiveAgents | TripletAgents] = [
    ContrastiveAgents(),
    ContrastiveAgents(margin=3.5),
    TripletAgents(),
    TripletAgents(2.5),
    TripletAgents(1.0, True),
]

each = pytest.mark.parametrize("loss", AGENTS, ids=repr)


def unit(rows):
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(length == 0, 0, rows / np.where(length == 0, 1, length))


def expected(loss, x, w, y):
    """The losses (N,), from the equations."""
    x, w = unit(x), unit(w)
    losses = []
    for i, own in enumerate(y):
        d = ((x[i] - w) ** 2).sum(axis=1)
        others = np.delete(d, own)
        if isinstance(loss, ContrastiveAgents):
            losses.append(d[own] + np.maximum(0, loss.margin - others).sum())
        elif len(others) and loss.hardest:
            losses.append(max(0, loss.margin + d[own] - others.min()))
        else:
            losses.append(np.maximum(0, loss.margin + d[own] - others).sum())
    return np.array(losses)


@each
def test_value(loss):
    x, w, y, _ = problem()
    x[2], w[5] = 0, 0
    np.testing.assert_allclose(loss(x, w, y, "none"), expected(loss, x.numpy(), w.numpy(), y.numpy()), rtol=1e-13)


@each
@settings(max_examples=25)
@given(
    n=st.integers(0, 8), k=st.integers(1, 12), d=st.integers(2, 5), seed=st.integers(0, 10**6), block=st.integers(1, 60)
)
def test_blocks_do_not_show(loss, n, k, d, seed, block):
    x, w, y, _ = problem(n, k, d, seed)
    leaves = [x.requires_grad_(), w.requires_grad_()]
    upstream = torch.linspace(0.5, 2.0, n, dtype=torch.float64)
    whole = loss(x, w, y, "none")
    whole_gradients = torch.autograd.grad(whole, leaves, upstream)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK", block)
        cut = loss(x, w, y, "none")
        cut_gradients = torch.autograd.grad(cut, leaves, upstream)
    np.testing.assert_allclose(whole.detach(), expected(loss, x.detach().numpy(), w.detach().numpy(), y.numpy()))
    for one, other in zip((cut, *cut_gradients), (whole, *whole_gradients), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@each
def test_gradcheck_in_blocks(loss, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 9)
    x, w, y, _ = problem(n=3, k=7, d=3)
    assert torch.autograd.gradcheck(lambda x, w: loss(x, w, y, "none"), (x.requires_grad_(), w.requires_grad_()))
    assert torch.autograd.gradgradcheck(lambda x, w: loss(x, w, y, "sum"), (x, w))


def test_worked_example():
    """Two agents at 0 and 90 degrees, a feature of the first at 60: squared distances 1 and 2 - sqrt 3."""
    x, w, y = torch.tensor([[1.0, 3**0.5]]).double(), torch.eye(2).double(), torch.tensor([0])
    assert ContrastiveAgents(margin=1.0)(x, w, y).item() == pytest.approx(1 + 1 - (2 - 3**0.5))
    assert TripletAgents(margin=0.8)(x, w, y).item() == pytest.approx(0.8 + 1 - (2 - 3**0.5))


def test_on_its_agent_and_far_from_others_costs_nothing():
    w = torch.eye(3).double().requires_grad_()
    x = (2 * torch.eye(3)).double().requires_grad_()
    for loss in (ContrastiveAgents(margin=1.0), TripletAgents(margin=0.8), TripletAgents(hardest=True)):
        value = loss(x, w, torch.arange(3))
        assert value.item() == pytest.approx(0, abs=1e-12)
        for gradient in torch.autograd.grad(value, (x, w)):
            assert gradient.abs().max() < 1e-12


def test_opposite_to_its_agent_is_still_pulled():
    """The authors' code gives a squared distance of exactly 4 no gradient; here the value is 4 and nothing is cut."""
    w = torch.tensor([[1.0, 0.0]]).double()
    beside = torch.tensor([[-1.0, 1e-4]]).double().requires_grad_()
    loss = ContrastiveAgents()(beside, w, torch.tensor([0]))
    loss.backward()
    assert loss.item() == pytest.approx(4)
    assert grad_of(beside)[0, 1] == pytest.approx(-2e-4, rel=1e-6)


def test_each_class_that_is_too_near_pulls_once_more():
    """The loss and its gradient are the sums of those over one other class at a time."""
    loss = TripletAgents(margin=2.0)
    x, w, y, _ = problem(n=1, k=6)
    leaves = [x.requires_grad_(), w.requires_grad_()]
    own = int(y)
    alone = [loss(x, w[[own, k]], torch.tensor([0])) for k in range(6) if k != own]
    assert sum(value > 0 for value in alone) > 2
    value = loss(x, w, y)
    total = sum(alone, torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(value, total)
    for one, other in zip(torch.autograd.grad(value, leaves), torch.autograd.grad(total, leaves), strict=True):
        torch.testing.assert_close(one, other)


def test_zero_vectors_are_at_distance_one():
    w, y = torch.eye(2).double(), torch.tensor([0])
    assert ContrastiveAgents(margin=1.5)(torch.zeros(1, 2).double(), w, y).item() == pytest.approx(1.5)
    assert ContrastiveAgents(margin=1.5)(torch.eye(2)[:1].double(), 0 * w, y).item() == pytest.approx(1.5)


def test_features_and_weight_of_different_precision():
    x, w, y, _ = problem()
    for loss in AGENTS:
        assert loss(x.half(), w.float(), y).dtype == torch.float32
        assert loss(x.float(), w, y).dtype == torch.float64
        torch.testing.assert_close(loss(x.half(), w.float(), y), loss(x.half().float(), w.float(), y))
