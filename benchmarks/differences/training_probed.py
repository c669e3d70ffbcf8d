"""Differences around the functions: weights, labels, batches, errors, evaluation."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.differences.peers import (
    has_oml,
    insightface_cross_entropy,
    oml_loss,
    opensphere_losses,
    pml_loss,
    pml_losses,
)
from benchmarks.differences.subject import FORMULA, SOURCE, Line, Subject, dtype, error_of, largest, number, oml, pml
from cones import ClassSGD, CosFace, Head, margin_softmax


def head_over(weight: Tensor, **options: Any) -> Head:
    """A CosFace head with this weight (K, D)."""
    head = Head(weight.shape[1], len(weight), CosFace(), **options)
    with torch.no_grad():
        head.weight.copy_(weight)
    return head


def master_weights() -> Subject:
    """D3: half-precision features, float32 weights."""
    torch.manual_seed(0)
    weight, x, y = torch.randn(10, 8), torch.randn(4, 8).bfloat16(), torch.arange(4)
    peer: Any = pml_loss("CosFaceLoss", weight)
    head = head_over(weight)
    pml_losses(peer, x, y).sum().backward()
    head(x, y).backward()

    def told(parameter: Tensor, now: Tensor) -> str:
        moved = float((now.float() - weight).abs().max())
        return f"W is {dtype(parameter)}, its gradient {dtype(parameter.grad)}; W changed by up to {moved:.2g}"

    case = "CosFaceLoss, float32 W, one forward and backward of bfloat16 features, no step"
    lines = (Line(pml(), case, told(peer.W, peer.W.detach().T), told(head.weight, head.weight.detach())),)
    why = """A step of SGD is often smaller than the last bit of a bfloat16 and would be lost, so W stays a float32
master copy, regardless of the features' dtype and autocast."""
    return Subject("D3: Effect of half-precision features on W", lines, why)


def labels_out_of_range() -> Subject:
    """D7: a class that does not exist."""
    torch.manual_seed(0)
    weight, x, y = torch.randn(10, 8), torch.randn(4, 8), torch.tensor([0, 1, 2, 10])
    logits = torch.zeros(4, 10, dtype=torch.float64)
    nobody = insightface_cross_entropy(logits, torch.full((4,), -1))
    one = insightface_cross_entropy(logits, torch.tensor([0, 1, 2, -1]))
    peer, head = pml_loss("CosFaceLoss", weight), head_over(weight)
    ours = error_of(lambda: head(x, y))
    case = "label 10 of 10 classes in one row of four"
    everywhere = error_of(lambda: head(x, torch.full((4,), 10)))
    who = f"insightface PartialFC_V2, {FORMULA}"
    lines = [
        Line(who, "label 10 of 10 classes in all rows", f"no error, loss {nobody:.4f}, -log 1e-30", everywhere),
        Line(who, case, f"no error, loss {one:.2f}", ours),
        Line(pml(), case, error_of(lambda: pml_losses(peer, x, y)), ours),
    ]
    if has_oml():
        other = oml_loss(weight)
        lines.append(Line(oml(), case, error_of(lambda: other(x, y)), ours))
    why = """With sharded classes, a label that no rank holds looks like one of another rank. It is an error in the
data, detected before anything is computed, and reported with its row and value. A graph of `torch.compile` checks the
labels as it runs, and its RuntimeError names the range of the classes alone; no loss is returned."""
    return Subject("D7: Labels out of range", tuple(lines), why)


def rows_not_sampled() -> Subject:
    """D9: momentum and decay of classes that took no part."""
    torch.manual_seed(0)
    start, x, y = torch.randn(1000, 16), torch.randn(20, 16), torch.arange(20)
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}
    dense = nn.Parameter(start.clone())
    optimizer = torch.optim.SGD([dense], **settings)
    margin_softmax(x, dense[:100], y, CosFace()).mean().backward()
    optimizer.step()
    head = head_over(start, sample_rate=0.1)
    fused = ClassSGD(head, **settings)
    head(x, y).backward()
    fused.step()
    theirs, ours = (int((w.detach() != start).any(dim=1).sum()) for w in (dense, head.weight))
    case = (
        "1000 classes, a tenth sampled beside the 20 of the batch, SGD with momentum 0.9 and decay 5e-4: rows that "
        "change in a step"
    )
    lines = (Line(f"insightface PartialFC_V2, {FORMULA}", case, f"{theirs}", f"{ours}"),)
    why = "A dense gradient is 0, not absent, for rows that were not sampled. Here the gradient has no such rows."
    return Subject("D9: Classes not sampled", lines, why)


def the_callers_labels() -> Subject:
    """D10: side effects and requirements of a call."""
    torch.manual_seed(0)
    head, column = head_over(torch.randn(10, 8)), torch.tensor([[3], [4]])
    ours = error_of(lambda: head(torch.randn(2, 8), column))
    full, last = (number(head(torch.randn(n, 8), torch.arange(n)).detach(), 2) for n in (4, 3))
    who = f"insightface PartialFC_V2, {SOURCE}"
    lines = (
        Line(who, "labels of shape (2, 1)", "squeezed in place, so that the caller's are (2,)", ours),
        Line(who, "a last batch of 3 after batches of 4", "AssertionError", f"its loss, {last}"),
        Line(who, "no CUDA device", "AssertionError", f"its loss, {full}"),
    )
    why = "A loss is a function: it does not change its arguments, and does not depend on earlier calls."
    return Subject("D10: The caller's labels, the last batch, the CPU", lines, why)


def empty_batches_and_errors() -> Subject:
    """D12: no rows, and errors that do not say what is wrong."""
    from pytorch_metric_learning.losses import CosFaceLoss, SubCenterArcFaceLoss

    torch.manual_seed(0)
    weight, x, none = torch.eye(3, 4), torch.randn(2, 4), torch.zeros(0, dtype=torch.long)
    peer, head = pml_loss("CosFaceLoss", weight), head_over(weight)
    theirs = CosFaceLoss(num_classes=3, embedding_size=4)(x[:0], none).detach()
    empty = head(x[:0], none)
    empty.backward()
    zero = f"{float(empty.detach()):g}, gradient of W {largest(head.weight.grad)}"
    lines = [Line(pml(), "the mean loss of no rows", f"{float(theirs):g}", zero)]
    wrong = {"float labels": torch.tensor([0.0, 1.0]), "a label of -1": torch.tensor([0, -1])}
    for case, y in wrong.items():
        said = [error_of(partial(pml_losses, peer, x, y)), error_of(partial(head, x, y))]
        lines.append(Line(pml(), case, *said))
    by_position = error_of(lambda: SubCenterArcFaceLoss(3, 4))
    lines.append(Line(pml(), "SubCenterArcFaceLoss(3, 4)", by_position, "sizes by position or by name"))
    outliers = SubCenterArcFaceLoss(num_classes=3, embedding_size=4).get_outliers(
        x, torch.arange(2), return_dominant_centers=False
    )
    returned = f"a {type(outliers).__name__} of {len(outliers)}, with the centers"
    lines.append(Line(pml(), "get_outliers(return_dominant_centers=False)", returned, "has no such function"))
    why = "A batch without rows has mean 0 and gradient 0. An error names the argument, its value, and the fix."
    return Subject("D12: Empty batches and errors", tuple(lines), why)


def evaluation_without_faiss() -> Subject:
    """D13: requirements of an evaluation."""
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    theirs = error_of(lambda: type(AccuracyCalculator()).__name__)
    case = "AccuracyCalculator() where faiss is not installed"
    lines = (Line(pml(), case, theirs, "`cones.evaluation` needs only torch"),)
    return Subject("D13: Evaluation", lines, "Matrix products suffice; no index library is needed.")


def negative_labels() -> Subject:
    """D14: a label of -1 under open-metric-learning."""
    torch.manual_seed(0)
    weight, x, y = torch.eye(3, 4), torch.randn(2, 4), torch.tensor([0, -1])
    theirs = "not run"
    if has_oml():
        peer = oml_loss(weight)
        theirs = error_of(lambda: peer(x, y))
    lines = (Line(oml(), "a label of -1", theirs, error_of(lambda: head_over(weight)(x, y))),)
    why = "As in D7. If another function checks the lower bound later, its message is about that function's arguments."
    return Subject("D14: A label of -1", lines, why)


def overwritten_weights() -> Subject:
    """Effect of a forward on W."""
    torch.manual_seed(0)
    weight, x, y = 3 * torch.randn(3, 4), torch.randn(2, 4), torch.arange(2)
    leaf, head = weight.clone().requires_grad_(), head_over(weight)
    opensphere_losses(x, leaf, y, "cos", 0.35, 64.0)
    head(x, y)
    theirs, ours = (f"{float((w.detach() - weight).abs().max()):.3g}" for w in (leaf, head.weight))
    lines = (Line(f"opensphere, {FORMULA}", "largest change of W by one forward", theirs, ours),)
    why = "The unit rows are an expression in the loss. Only the optimiser changes W."
    return Subject("A forward that changes W", lines, why)
