"""W updated inside the backward equals W updated by torch's SGD; classes that are not sampled stay as they are."""

import copy
import io
import math
from functools import partial

import pytest
import torch

from cones import ArcFace, ClassSGD, Head, NormFace, Softmax, dense_margin_softmax
from tests.losses import Bending, Biased, problem
from tests.narrowing import grad_of, not_none

SETTINGS = [
    {},
    {"momentum": 0.9},
    {"weight_decay": 0.1},
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
]


def heads(margin, **options):
    """Two heads that begin alike."""
    pair = [Head(5, 23, margin, dtype=torch.float64, **options) for _ in range(2)]
    pair[1].load_state_dict(pair[0].state_dict())
    return pair


@pytest.mark.parametrize("margin", [ArcFace(scale=16.0), Softmax(), Biased()], ids=repr)
@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
@pytest.mark.parametrize("budget", [1, 3000, 2**28])
def test_equals_the_optimiser_that_waits_for_the_gradient(margin, settings, budget):
    inside, outside = heads(margin, bias=True, memory_budget=budget)
    moving, waiting = ClassSGD(inside, lr=0.3, **settings), torch.optim.SGD([outside.weight], lr=0.3, **settings)
    for step in range(4):
        x, _, y, _ = problem(seed=step)
        grads = []
        for head, optimizer in ((inside, moving), (outside, waiting)):
            leaf = x.clone().requires_grad_()
            optimizer.zero_grad()
            head(leaf, y).backward()
            optimizer.step()
            grads.append((leaf.grad, head.bias.grad))
        torch.testing.assert_close(grads[0], grads[1], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(inside.weight.detach(), outside.weight.detach(), rtol=1e-12, atol=1e-12)
    assert inside.weight.grad is None


def test_momentum_is_saved_and_resumed():
    whole, broken = heads(ArcFace(scale=16.0))
    first, second = ClassSGD(whole, lr=0.1, momentum=0.9), ClassSGD(broken, lr=0.1, momentum=0.9)
    for step in range(4):
        x, _, y, _ = problem(seed=step)
        if step == 2:
            file = io.BytesIO()
            torch.save({"head": broken.state_dict(), "optimizer": second.state_dict()}, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
            broken = Head(5, 23, ArcFace(scale=16.0), dtype=torch.float64)
            broken.load_state_dict(state["head"])
            second = ClassSGD(broken, lr=0.7)
            second.load_state_dict(state["optimizer"])
        for head, optimizer in ((whole, first), (broken, second)):
            head(x, y).backward()
            optimizer.step()
    assert torch.equal(whole.weight, broken.weight)


def test_a_scheduler_changes_its_rate():
    head = Head(5, 23, ArcFace())
    optimizer = ClassSGD(head, lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.0)
    x, _, y, _ = problem(dtype=torch.float32)
    for _ in range(2):
        before = head.weight.detach().clone()
        head(x, y).backward()
        optimizer.step()
        scheduler.step()
    assert torch.equal(head.weight.detach(), before)


@pytest.mark.parametrize("fused", [True, False])
def test_rows_not_sampled_stay_as_they_are(fused):
    """A peer moves every row by momentum and decay, sampled or not: 1000 of 1000 where 100 were."""
    torch.manual_seed(0)
    head = Head(5, 1000, ArcFace(scale=16.0), sample_rate=0.1)
    y = torch.arange(7)
    optimizer: torch.optim.Optimizer
    if fused:
        optimizer = ClassSGD(head, lr=0.1, momentum=0.9, weight_decay=0.1)
    else:
        optimizer = torch.optim.SGD([head.weight], lr=0.1)
    ever = torch.zeros(1000, dtype=torch.bool)
    for step in range(3):
        x, *_ = problem(seed=step, dtype=torch.float32)
        before = head.weight.detach().clone()
        optimizer.zero_grad()
        head(x, y).backward()
        optimizer.step()
        moved = (head.weight.detach() != before).any(dim=1)
        assert 50 < moved.sum() < 170  # binomial, 106 +- 10
        assert moved[:7].all()
        ever |= moved
    assert 200 < ever.sum() < 350


def test_sampled_loss_is_that_of_the_sampled_classes():
    torch.manual_seed(0)
    head = Head(5, 23, Biased(), bias=True, sample_rate=0.5, dtype=torch.float64)
    torch.nn.init.normal_(not_none(head.bias))
    x, _, y, _ = problem()
    head(x, y).backward()
    assert grad_of(head.weight).is_sparse
    classes = grad_of(head.weight).coalesce().indices()[0]
    assert set(y.tolist()) < set(classes.tolist())
    assert len(classes) < 23
    loss = head(x, y)
    head.eval()
    assert head(x, y) > loss  # evaluation takes every class


def test_sampled_and_moved_equals_sampled_and_waited_for():
    inside, outside = heads(NormFace(), sample_rate=0.4)
    moving, waiting = ClassSGD(inside, lr=0.3), torch.optim.SGD([outside.weight], lr=0.3)
    x, _, y, _ = problem()
    for head, optimizer in ((inside, moving), (outside, waiting)):
        torch.manual_seed(1)
        head(x, y).backward()
        optimizer.step()
    torch.testing.assert_close(inside.weight.detach(), outside.weight.detach(), rtol=1e-12, atol=1e-12)


def test_the_labels_are_taken_where_nothing_else_is_drawn():
    head = Head(5, 23, ArcFace(), sample_rate=1e-9)
    x, _, y, _ = problem(dtype=torch.float32)
    head(x, y).backward()
    assert grad_of(head.weight).coalesce().indices()[0].tolist() == y.unique().tolist()


def test_a_second_backward_before_the_step_is_refused():
    head = Head(5, 23, ArcFace())
    optimizer = ClassSGD(head, lr=0.1)
    x, _, y, _ = problem(dtype=torch.float32)
    head(x, y).backward()
    with pytest.raises(RuntimeError, match=r"a second backward before ClassSGD.step\(\): W moves in the backward"):
        head(x, y).backward()
    optimizer.step()
    head(x, y).backward()


def test_a_copy_of_the_head_is_not_moved_by_its_optimiser():
    head = Head(5, 23, ArcFace())
    ClassSGD(head, lr=0.1)
    twin = copy.deepcopy(head)
    x, _, y, _ = problem(dtype=torch.float32)
    twin(x, y).backward()
    assert torch.equal(twin.weight, head.weight)
    assert twin.weight.grad is not None


def test_sampled_classes_of_a_margin_that_bends_them():
    torch.manual_seed(0)
    head = Head(5, 23, Bending(), sample_rate=0.5, dtype=torch.float64)
    x, _, y, _ = problem()
    head(x, y, reduction="sum").backward()
    grad = grad_of(head.weight).coalesce()
    classes = grad.indices()[0]
    sub = head.weight.detach()[classes].requires_grad_()
    places = torch.searchsorted(classes, y)
    dense_margin_softmax(x, sub, places, Bending()).sum().backward()
    torch.testing.assert_close(grad.values(), sub.grad, rtol=1e-12, atol=1e-12)


HEAD = Head(5, 23, ArcFace())
WRONG = [
    (lambda: ClassSGD(torch.nn.Linear(3, 3), lr=0.1), TypeError, r"head is Linear, expected a cones.Head"),  # type: ignore[arg-type]
    (lambda: ClassSGD(HEAD, lr=-1.0), ValueError, r"lr is -1.0, expected a finite number of at least 0"),
    (lambda: ClassSGD(HEAD, lr=math.nan), ValueError, r"lr is nan, expected a finite number"),
    (lambda: ClassSGD(HEAD, lr=0.1, momentum=math.inf), ValueError, r"momentum is inf, expected a finite number"),
    (lambda: ClassSGD(HEAD, lr=0.1, nesterov=True), ValueError, r"nesterov is True but momentum is 0"),
    (lambda: ClassSGD(HEAD, lr=0.1), ValueError, r"head already has a ClassSGD"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_errors_say_what_is_wrong(call, kind, text):
    if "already" in text:
        HEAD.update = object()  # type: ignore[assignment]
    with pytest.raises(kind, match=text):
        call()


def test_a_margin_that_bends_the_others_is_refused():
    head = Head(5, 23, Bending(), dtype=torch.float64)
    ClassSGD(head, lr=0.1)
    x, _, y, _ = problem()
    with pytest.raises(ValueError, match=r"Bending modifies the non-target logits.*torch.optim.SGD"):
        head(x, y)


def test_a_closure_runs_the_backward_and_gives_its_loss():
    inside, outside = heads(ArcFace(scale=16.0))
    moving, waiting = ClassSGD(inside, lr=0.3, momentum=0.9), torch.optim.SGD([outside.weight], lr=0.3, momentum=0.9)
    for step in range(3):
        x, _, y, _ = problem(seed=step)

        def closure(head, optimizer, x=x, y=y):
            optimizer.zero_grad()
            loss = head(x, y)
            loss.backward()
            return loss

        with torch.no_grad():  # as a caller may have it: the closure has gradients all the same
            losses = [
                optimizer.step(partial(closure, head, optimizer))
                for head, optimizer in ((inside, moving), (outside, waiting))
            ]
        torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(inside.weight.detach(), outside.weight.detach(), rtol=1e-12, atol=1e-12)
    assert moving.step() is None


def scaled_steps(head, scaler, optimizers, finite=lambda step: True, step_all=True):
    for step in range(5):
        x, _, y, _ = problem(seed=step, dtype=torch.float32)
        for optimizer in optimizers:
            optimizer.zero_grad()
        scaler.scale(head(x if finite(step) else x * torch.inf, y)).backward()
        for optimizer in optimizers if step_all else optimizers[1:]:
            scaler.step(optimizer)
        if not step_all:
            optimizers[0].step()
        scaler.update()


@pytest.mark.parametrize("step_all", [True, False])
@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_under_a_scaler_it_is_the_optimiser_that_unscales(settings, step_all):
    inside, outside = (Head(5, 23, ArcFace(0.2, 8.0), bias=True) for _ in range(2))
    inside.load_state_dict(outside.state_dict())
    scalers = [torch.amp.GradScaler("cpu"), torch.amp.GradScaler("cpu")]
    moving = ClassSGD(inside, lr=0.3, scaler=scalers[0], **settings)
    of_biases = [torch.optim.SGD([not_none(head.bias)], lr=0.3) for head in (inside, outside)]
    finite = lambda step: step != 2  # noqa: E731
    scaled_steps(inside, scalers[0], [moving, of_biases[0]], finite, step_all)
    scaled_steps(outside, scalers[1], [torch.optim.SGD([outside.weight], lr=0.3, **settings), of_biases[1]], finite)
    torch.testing.assert_close(inside.weight.detach(), outside.weight.detach())
    assert scalers[0].get_scale() == scalers[1].get_scale() < 2**16  # the third step was skipped by both


def test_a_scaler_that_is_off_changes_nothing():
    inside, outside = heads(ArcFace(scale=16.0))
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    moving = ClassSGD(inside, lr=0.3, scaler=scaler)
    x, _, y, _ = problem()
    scaler.scale(inside(x, y)).backward()
    scaler.step(moving)
    scaler.update()
    outside(x, y).backward()
    torch.testing.assert_close(inside.weight.detach(), outside.weight.detach() - 0.3 * outside.weight.grad)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("sample_rate", [1.0, 0.5])
def test_a_scaler_it_does_not_know_is_refused_before_w_moves(reduction, sample_rate):
    head = Head(5, 23, ArcFace(0.2, 8.0), sample_rate=sample_rate)
    optimizer = ClassSGD(head, lr=0.1)
    before = head.weight.detach().clone()
    x, _, y, _ = problem(dtype=torch.float32)
    scaler = torch.amp.GradScaler("cpu")
    with pytest.raises(RuntimeError, match=r"comes into the head's loss is 65536, expected about 1.*scaler=scaler"):
        scaler.scale(head(x, y, reduction).sum()).backward()
    assert torch.equal(head.weight, before)
    (0.01 * head(x, y, reduction).sum()).backward()
    optimizer.step()
    assert not torch.equal(head.weight, before)


def test_a_small_scale_it_does_not_know_is_refused_at_the_step():
    head = Head(5, 23, ArcFace(0.2, 8.0))
    optimizer, scaler = ClassSGD(head, lr=0.1), torch.amp.GradScaler("cpu", init_scale=4.0)
    x, _, y, _ = problem(dtype=torch.float32)
    scaler.scale(head(x, y)).backward()
    with pytest.raises(RuntimeError, match=r"a GradScaler steps ClassSGD, which moved W by the scaled gradient"):
        scaler.step(optimizer)


def test_a_scaler_that_does_not_scale_is_asked_about():
    head = Head(5, 23, ArcFace(0.2, 8.0))
    ClassSGD(head, lr=0.1, scaler=torch.amp.GradScaler("cpu"))
    x, _, y, _ = problem(dtype=torch.float32)
    with pytest.raises(RuntimeError, match=r"loss is 1, but ClassSGD has a scaler of scale 65536: call scaler.scale"):
        head(x, y).backward()


SPARSE = [
    (lambda w: torch.optim.AdamW([w]), r"AdamW with weight_decay cannot take the sparse gradient"),
    (lambda w: torch.optim.Adam([w]), r"Adam cannot take the sparse gradient of a head with sample_rate below 1"),
    (lambda w: torch.optim.SGD([w], lr=0.1, weight_decay=1e-4), r"SGD with weight_decay.*use cones.ClassSGD"),
    (lambda w: torch.optim.SGD([w], lr=0.1, momentum=0.9), None),
    (lambda w: torch.optim.SparseAdam([w]), None),
    (lambda w: torch.optim.Adagrad([w]), None),
]


@pytest.mark.parametrize(("build", "text"), SPARSE)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_optimisers_that_cannot_take_sampled_classes_are_named(build, text):
    head = Head(5, 23, ArcFace(0.2, 8.0), sample_rate=0.5)
    x, _, y, _ = problem(dtype=torch.float32)
    optimizer = build(head.weight)
    head(x, y).backward()
    if text is None:
        optimizer.step()
    else:
        with pytest.raises(RuntimeError, match=text):
            optimizer.step()
