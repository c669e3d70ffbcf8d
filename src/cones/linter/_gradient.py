"""Gradients: autograd's are those of the values."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..margins import Margin, Rows
from ..probing.at_angles import by_row
from ._report import Finding, degrees, number
from ._subject import Batch, Subject, batch, gradients

STEP = 1e-6


class Part(NamedTuple):
    """A function of a margin, from variables that are (N,) or (N, 1) to (N,).

    Attributes:
        name: of the function.
        function: takes the variables in their order.
        variables: by name.
    """

    name: str
    function: Callable[..., Tensor]
    variables: dict[str, Tensor]


def gradient(subject: Subject) -> Finding:
    """Autograd's slopes are those of the values."""
    asked = batch(subject, 24, 1)
    for part in _parts(subject, asked):
        for variable, at in part.variables.items():
            fixed = variable == "noise" or not at.is_floating_point()
            mismatch = None if fixed else _mismatch(part, variable, subject)
            if mismatch is None:
                continue
            row, auto, own = mismatch
            words = (
                f"autograd gives d {part.name} / d {variable} = {number(auto)}, the slope of the value is {number(own)}"
            )
            angle = _own_angle(subject, asked, row) if part.name in ("target", "others") else None
            words += "" if angle is None else f" at {degrees(angle)} to the own class"
            if subject.detached:
                return Finding("warns", f"the gradient is not that of the value, as declared: {words}", angle)
            advice = (
                "something is detached, or a backward is wrong; if that is part of the definition, pass detached=True"
            )
            return Finding("fails", f"{words}: {advice}", angle)
    return Finding("holds", "autograd's slopes of target and others match the values: nothing is detached")


def _parts(subject: Subject, asked: Batch) -> Iterator[Part]:
    margin, own, other = subject.margin, asked.rows.similarity, asked.similarity
    names = ("feature_norm", "weight_norm", "label", *(("noise",) if margin.draws else ()))
    known = {name: getattr(asked.rows, name) for name in names}

    def rows(
        similarity: Tensor, feature_norm: Tensor, weight_norm: Tensor, label: Tensor, noise: Tensor | None = None
    ) -> Rows:
        summaries = tuple(torch.ones_like(similarity) for _ in margin.others_summaries())
        numbers = (similarity, feature_norm, weight_norm, label)
        return Rows(*numbers, asked.rows.statistics, summaries, noise)

    def target(similarity: Tensor, *known: Tensor) -> Tensor:
        return margin.target(similarity, rows(similarity, *known))

    def others(similarity: Tensor, target: Tensor, own: Tensor, *known: Tensor) -> Tensor:
        return margin.others(similarity, target, rows(own, *known)).squeeze(1)

    def penalty(similarity: Tensor, *known: Tensor) -> Tensor:
        value = margin.penalty(rows(similarity, *known))
        return torch.zeros_like(similarity) if value is None else value

    logit = by_row(target, own.clone(), *known.values(), alone=subject.alone).detach()
    rest = by_row(others, other.clone(), logit, own, *known.values(), alone=subject.alone).detach()
    yield Part("target", target, {"similarity": own, **known})
    yield Part("others", others, {"similarity": other, "target": logit, "own similarity": own, **known})
    if type(margin).penalty is not Margin.penalty:
        yield Part("penalty", penalty, {"similarity": own, **known})
    if margin.combine == "one-vs-all":
        yield Part("class_loss", lambda logits: margin.class_loss(logits).squeeze(1), {"logits": rest[:, None]})
    if type(margin).join is not Margin.join:
        yield Part("join", margin.join, {"target": logit, "rest": rest})


def _mismatch(part: Part, name: str, subject: Subject) -> tuple[int, float, float] | None:
    """The row where autograd and the value differ most, with both slopes; None where they agree."""

    def value(change: Tensor) -> Tensor:
        moved = {key: at.clone() for key, at in part.variables.items()}
        moved[name] = moved[name] + change.view_as(moved[name])
        return by_row(part.function, *moved.values(), alone=subject.alone)

    at = part.variables[name]
    step = STEP * at.abs().clamp(min=1.0).view(-1)
    own = ((value(step) - value(-step)) / (2 * step)).detach()
    zero = torch.zeros_like(step).requires_grad_()
    (auto,) = gradients(value(zero).sum(), [zero])
    allowed = 1e-4 * own.abs() + 1e-5 * own.abs().max() + 1e-7
    excess = ((auto - own).abs() - allowed).nan_to_num(torch.inf)
    row = int(excess.argmax())
    return (row, float(auto[row]), float(own[row])) if excess[row] > 0 else None


def _own_angle(subject: Subject, asked: Batch, row: int) -> float:
    rows = asked.rows
    length = rows.feature_norm if subject.margin.features == "raw" else torch.ones_like(rows.feature_norm)
    length = length * rows.weight_norm if subject.margin.weights == "raw" else length
    return math.acos(float(rows.similarity[row] / length[row]))
