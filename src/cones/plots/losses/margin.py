"""Figure of one margin in full: its target logit, the logits of the other classes, its loss, and their slopes."""

# M angles.

import math
from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...engine.similarity import start_of_statistics
from ...margins import Margin
from ...probing.at_angles import MarginProbe
from .._palette import INK, TEN
from .._style import new_figure, style
from .._text import wrap
from .curves import angle_axis, draw_reference

ANGLES = 361
OWN = {20: TEN[2], 60: TEN[1], 100: TEN[4]}
TARGET, LOSS, MARK = TEN[0], TEN[9], TEN[3]

Curve = Callable[[Tensor], Tensor]
Mark = tuple[str, float]


def margin_figure(
    margin: Margin, *, num_classes: int = 10, own_marks: Sequence[Mark] = (), other_marks: Sequence[Mark] = ()
) -> Figure:
    """Draw logits and loss of a margin over the angle, above their slopes by the angle.

    Logits are divided by the scale, and by |x| and |w| where the margin does not normalise them; |x| is 10, |w| is 1,
    running numbers are as they start. The loss is that of a row whose other classes are all at 90 degrees. Slopes are
    autograd's, which a step follows; where those of the values differ, they are dashed.

    Args:
        margin: any Margin.
        num_classes: K, of the loss.
        own_marks: names and angles in radians, to be marked where something runs over the angle to the own class.
        other_marks: the same for the angle to another class.

    Returns:
        The figure, to be written by `save`.

    Source:
        t, o and the loss as `Margin` defines them.
    """
    probe = MarginProbe(margin, start_of_statistics(margin, num_classes, torch.device("cpu")), alone=True)
    right = torch.zeros(num_classes - 1, dtype=torch.float64)
    unit = "s" + " ‖x‖" * (margin.features == "raw") + " ‖w‖" * (margin.weights == "raw")
    unit = unit if unit == "s" else f"({unit})"
    with style():
        figure = new_figure(11.0, 5.6)
        panels = figure.subplots(2, 3, sharex=True)
        target, others, loss = panels.T
        draw_reference(*target)
        draw_reference(*others)
        _draw(target, lambda theta: probe.target(theta.cos()) / probe.neutral, TARGET, "t")
        _draw_others(others, probe)
        _draw(loss, lambda theta: probe.losses(theta.cos(), right.expand(len(theta), -1)), LOSS, "loss")
        for axes in panels.flatten():
            angle_axis(axes)
        for (above, below), title, over in (
            (target, f"target logit t / {unit}", "the own class"),
            (others, f"another class's logit o / {unit}", "that class"),
            (loss, f"loss, {num_classes - 1} other classes at 90°", "the own class"),
        ):
            above.set_title(title)
            below.set_title("its slope by θ, as autograd has it")
            below.set_xlabel(f"θ, angle to {over}")
        _mark(target, own_marks)
        _mark(loss, [("", angle) for _, angle in own_marks])
        _mark(others, other_marks)
        for axes in panels.flatten():
            if axes is not loss[0] and axes.get_legend_handles_labels()[1]:
                axes.legend(fontsize=8, frameon=True, facecolor="white", edgecolor="none", framealpha=0.8)
        figure.suptitle(wrap(repr(margin), 150), x=0.01, ha="left", fontsize=9.5, color=INK)
    return figure


def _draw_others(panels: Sequence[Axes], probe: MarginProbe) -> None:
    """The logit of another class, with the own class at three angles if that makes a difference."""
    curves = [_others(probe, own) for own in OWN]
    with torch.no_grad():
        first, *rest = (curve(_theta()) for curve in curves)
    if all(torch.allclose(first, other, equal_nan=True) for other in rest):
        _draw(panels, curves[0], OWN[20], "o")
        return
    for (own, color), curve in zip(OWN.items(), curves, strict=True):
        _draw(panels, curve, color, f"o, own class at {own}°")


def _others(probe: MarginProbe, own: int) -> Curve:
    cosine = torch.tensor(math.cos(math.radians(own)), dtype=torch.float64)
    return lambda theta: probe.others(theta.cos()[:, None], cosine.expand(len(theta))).squeeze(1) / probe.neutral


def _draw(panels: Sequence[Axes], curve: Curve, color: str, label: str) -> None:
    theta = _theta().requires_grad_()
    values = curve(theta)
    slope = torch.autograd.grad(values.sum(), theta)[0] if values.requires_grad else torch.zeros_like(theta)
    theta, values = theta.detach(), values.detach()
    degrees = torch.rad2deg(theta)
    panels[0].plot(degrees, values, color=color, label=label)
    panels[1].plot(degrees, slope, color=color)
    (by_value,) = torch.gradient(values, spacing=(theta,))
    gap = (by_value - slope).abs()
    if (
        gap.nanmedian() > 0.02 * slope.abs().nan_to_num(0).max()
    ):  # a jump is a single gap; a detached part is one everywhere
        panels[1].plot(degrees, by_value, color=color, linewidth=1.0, linestyle="--", label="of the value itself")


def _mark(panels: Sequence[Axes], marks: Sequence[Mark]) -> None:
    """Lines at the angles, and the names in a headroom above the curves of the first panel."""
    low, high = panels[0].get_ylim()
    headroom = 0.08 * sum(bool(name) for name, _ in marks)
    panels[0].set_ylim(low, high + headroom / (1 - headroom) * (high - low))
    for place, (name, angle) in enumerate(marks):
        at = math.degrees(angle)
        for axes in panels:
            axes.axvline(at, color=MARK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=2.6, clip_on=False)
        side = -1 if at > 90 else 1
        panels[0].annotate(
            name, (at, 1 - 0.08 * place), (4 * side, 0), xycoords=("data", "axes fraction"), fontsize=7.5,
            textcoords="offset points", ha="right" if side < 0 else "left", va="top", color=MARK, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )  # fmt: skip


def _theta() -> Tensor:
    # the ends are left out: there d cos θ / dθ = 0 hides a slope that is not 0
    return (torch.arange(ANGLES, dtype=torch.float64) + 0.5) * (math.pi / ANGLES)
