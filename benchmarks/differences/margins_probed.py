"""Differences in the functions themselves: values and slopes of margins, mainly at the edges."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.differences.peers import (
    OML,
    has_oml,
    insightface_cross_entropy,
    insightface_target,
    oml_loss,
    pml_loss,
    pml_losses,
    quaterion_cosface,
)
from benchmarks.differences.subject import (
    FORMULA,
    Line,
    Subject,
    error_of,
    largest,
    number,
    oml,
    pml,
    target,
    warning_of,
)
from cones import ArcFace, CombinedMargin, CosFace, Head, LSoftmax, NormFace, margin_softmax


def on_the_class_direction() -> Subject:
    """D1: a feature exactly along or against its class."""
    weight, y, lines = torch.tensor([[0.6, 0.8], [1.0, 0.0]]), torch.tensor([0]), []
    for sign, case in ((1.0, "along"), (-1.0, "against")):
        peer: Any = pml_loss("ArcFaceLoss", weight)
        x, our_x = ((sign * weight[:1]).requires_grad_() for _ in range(2))
        w = weight.clone().requires_grad_()
        theirs = pml_losses(peer, x, y).sum()
        theirs.backward()
        ours = margin_softmax(our_x, w, y, ArcFace(math.radians(28.6), 64.0, "monotone")).sum()
        ours.backward()
        lines.append(
            Line(
                pml(),
                f"ArcFaceLoss, a feature in the plane, exactly {case} its class",
                f"loss {theirs:.4g}, gradient of x {largest(x.grad)}, of W {largest(peer.W.grad)}",
                f"loss {ours:.4g}, gradient of x {largest(our_x.grad)}, of W {largest(w.grad)}",
            )
        )
    why = """The slope of arccos is infinite there. cones keeps the value exact, and uses the slope at the nearest angle
whose cosine a float can distinguish from 1. In the plane, used for pictures, features do land there."""
    return Subject("D1: A feature on its class direction", tuple(lines), why)


def parallel_to_the_class() -> Subject:
    """D2: rounding takes a cosine past 1."""
    seeds, y = 200, torch.tensor([0])

    def counted(loss_of: Callable[[Tensor, Tensor], Tensor]) -> str:
        losses = gradients = 0
        for seed in range(seeds):
            weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
            x = (0.37 * weight[:1]).requires_grad_()
            loss = loss_of(x, weight)
            loss.backward()
            losses += int(loss.isnan())
            assert x.grad is not None
            gradients += int(not x.grad.isfinite().all())
        return f"loss NaN in {losses}, gradient not finite in {gradients} of {seeds} seeds"

    theirs = counted(lambda x, weight: oml_loss(weight)(x, y).sum()) if has_oml() else "not run"
    ours = counted(lambda x, weight: margin_softmax(x, weight, y, ArcFace()).sum())
    lines = (Line(oml(), "ArcFaceLoss, x = 0.37 w_y in 8 dimensions, float32", theirs, ours),)
    why = (
        "sin(theta) as the root of 1 - cos² is the root of a negative number when rounding makes the cosine 1.0000001."
    )
    return Subject("D2: A feature parallel to its class", lines, why)


def slope_of_an_angular_margin() -> Subject:
    """D4: the derivative of the target by the cosine."""
    at = torch.tensor([1.0], dtype=torch.float64).cos()

    def slope(logit: Callable[[Tensor], Tensor]) -> str:
        cosine = at.clone().requires_grad_()
        logit(cosine).sum().backward()
        assert cosine.grad is not None
        return number(cosine.grad, 2)

    straight = slope(lambda cosine: target(ArcFace(0.5, 64.0, straight_through=True), cosine))
    lines = (
        Line(
            f"insightface, opensphere; {FORMULA}",
            "ArcFace, m = 0.5, s = 64: d t / d cos(theta) at theta = 1",
            slope(lambda cosine: 64 * insightface_target(cosine, 1.0, 0.5, 0.0)),
            f"{slope(lambda cosine: target(ArcFace(0.5, 64.0), cosine))}; {straight} with straight_through=True",
        ),
    )
    why = """64 sin(1.5) / sin(1) = 75.87 is the gradient of the reported loss. Ignoring the margin's slope trains well
too, so it is available as an explicit field, but not as a silent default."""
    return Subject("D4: The gradient of an angular margin", lines, why)


def three_margins() -> Subject:
    """D5: m1, m2 and m3 together."""
    cosine = torch.tensor([0.5], dtype=torch.float64)
    lines = []
    for m1, m2, m3 in ((1.0, 0.3, 0.2), (0.9, 0.4, 0.15), (1.35, 0.0, 0.0)):
        refused = m3 == 0 and m1 != 1
        theirs = "RuntimeError" if refused else number(insightface_target(cosine, m1, m2, m3))
        ours = number(target(CombinedMargin(m1, m2, m3, 1.0), cosine))
        case = f"margin_list ({m1:g}, {m2:g}, {m3:g}): t / s at cos(theta) = 0.5"
        lines.append(Line(f"insightface, {FORMULA}", case, theirs, ours))
    why = """cos(m1 theta + m2) - m3 is equation 4 of the ArcFace paper. A margin in the configuration must either be in
the loss or raise an error."""
    return Subject("D5: Three margins in one", tuple(lines), why)


def past_pi() -> Subject:
    """D6: the target past theta = pi - m."""
    theta = torch.linspace(0, math.pi, 10001, dtype=torch.float64)
    at = torch.tensor([2.6, 2.7, 3.0, 3.14], dtype=torch.float64)
    peer: Any = pml_loss("ArcFaceLoss", torch.eye(2), margin=math.degrees(0.5))

    def told(logit: Callable[[Tensor], Tensor]) -> str:
        steps = logit(theta.cos()).diff()
        rise, jump = float(steps.clamp(min=0).sum()), float(-steps.min())
        values = ", ".join(f"{value:.3f}" for value in logit(at.cos()).tolist())
        notes = [f"rises by {rise:.3f}"] * (rise > 1e-9) + [f"jumps by {jump:.3f}"] * (jump > 0.01)
        return "; ".join([values, *notes])

    def going_on(beyond: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda c: torch.where(c.acos() <= math.pi - 0.5, (c.acos() + 0.5).cos(), beyond(c))

    curves: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
        (pml(), peer.modify_cosine_of_target_classes),
        (f"{OML}, {FORMULA}", going_on(lambda c: c - 0.5 * math.sin(0.5))),
        (f"insightface, {FORMULA}", lambda c: insightface_target(c, 1.0, 0.5, 0.0)),
        (f"opensphere, {FORMULA}", going_on(lambda c: torch.full_like(c, -1))),
        (f"wespeaker, {FORMULA}", going_on(lambda c: c - 1 + math.cos(0.5))),
    )
    smooth = told(lambda cosine: target(ArcFace(0.5, 1.0), cosine))
    case = "ArcFace, m = 0.5: t / s at theta = 2.6, 2.7, 3, 3.14"
    lines = tuple(Line(who, case, told(curve), smooth) for who, curve in curves)
    why = """Past pi - m the cosine rises again: the worse a sample, the smaller its loss. The default, `tail="smooth"`,
decreases all the way with a continuous slope. `"plain"`, `"monotone"` (which jumps) and `"clip"` (whose gradient is 0)
reproduce other libraries."""
    return Subject("D6: An angle past pi - m", lines, why)


def large_losses() -> Subject:
    """D8: a loss of 400."""
    y = torch.tensor([0])
    theirs = insightface_cross_entropy(torch.tensor([[-200.0, 200.0]], dtype=torch.float64), y)
    ours = margin_softmax(torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), y, NormFace(200.0))
    case = "logit -200 of the own class, 200 of the other"
    lines = (Line(f"insightface, {FORMULA}", case, number(theirs, 2), number(ours, 2)),)
    why = "The loss is -logsigmoid(t - rest), which is unbounded; the reported value is the one that is minimised."
    return Subject("D8: A loss that saturates", lines, why)


def cosface_of_the_cosine() -> Subject:
    """D11: another function under the same name."""
    cosine, y = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0])
    ours = margin_softmax(cosine, torch.eye(2, dtype=torch.float64), y, CosFace())
    at = torch.tensor([0.35], dtype=torch.float64)
    who = f"quaterion, {FORMULA}"
    lines = (
        Line(
            who,
            "CosFaceLoss, a feature on its class, the only other class at 90 degrees",
            number(quaterion_cosface(cosine, y, 0.35, 64.0)),
            f"{float(ours):.1e}",
        ),
        Line(who, "t / s at cos(theta) = m = 0.35", number((at - 0.35).cos()), number(target(CosFace(0.35, 1.0), at))),
    )
    why = "s cos(cos(theta) - m) is not s (cos(theta) - m). Every margin here is tested against its formula in NumPy."
    return Subject("D11: A CosFace with another formula", lines, why)


def units() -> Subject:
    """Degrees, radians, whole numbers."""
    half, many = (pml_loss("ArcFaceLoss", torch.eye(3, 4), margin=margin).margin for margin in (0.5, 500))
    cut = pml_loss("LargeMarginSoftmaxLoss", torch.eye(3, 4), margin=2.7).margin
    cut_short = error_of(lambda: LSoftmax(margin=2.7))  # type: ignore[arg-type]
    lines = (
        Line(pml(), "ArcFaceLoss(margin=0.5)", f"half a degree, {half:.4f} radians", "0.5 radians"),
        Line(
            pml(),
            "ArcFaceLoss(margin=500)",
            f"{many:.3f} radians",
            warning_of(lambda: Head(4, 3, ArcFace(500.0))),
        ),
        Line(pml(), "LargeMarginSoftmaxLoss(margin=2.7)", f"m = {cut}", cut_short),
    )
    why = "Angles are in radians everywhere, as in the papers. A legal value that looks like degrees gives one warning."
    return Subject("The unit of a margin", lines, why)
