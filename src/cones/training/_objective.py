"""An objective: a margin-softmax loss plus weighted feature losses, written as the papers write it."""

import ast
import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, cast

from ..common.aliases import check_compound_names
from ..common.expressions import brief, call, did_you_mean, evaluate, parse_tree, quoted
from ..margins import Margin, name_of
from ..margins import known as known_margins
from ._schedules import PAPER_ANNEALINGS, Annealing, CosineWarmup, ExponentialWarmup, LinearWarmup, Schedule
from ._term import FEATURE_LOSSES, Term, find_feature_loss, spelled

SCHEDULES = {kind.__name__: kind for kind in (Annealing, CosineWarmup, ExponentialWarmup, LinearWarmup)}


@dataclass(frozen=True)
class Objective:
    """L = L_margin + sum_k lambda_k L_k, with the margin's fields on schedules where they are.

    Args:
        margin: with the values that hold at the first step.
        schedules: pairs of a margin's field and its schedule.
        terms: the feature losses.
        counted: whether the margin's `counts` are those of the training data, which `for_counts` puts in.
    """

    margin: Margin
    schedules: tuple[tuple[str, Schedule], ...] = ()
    terms: tuple[Term, ...] = ()
    counted: bool = False

    def for_counts(self, counts: Sequence[int]) -> "Objective":
        """Return the objective for training data with these counts per class."""
        if not self.counted:
            return self
        return replace(self, margin=replace(self.margin, counts=tuple(counts)))  # type: ignore[call-arg]

    def margin_at(self, step: int) -> Margin:
        """The margin in force at a step (1, 2, ...)."""
        return replace(self.margin, **{name: schedule(step) for name, schedule in self.schedules})

    def __str__(self) -> str:
        """The text that `parse_objective` reads back into this value."""
        schedules = dict(self.schedules)
        written = ", ".join(
            f"{field.name}={schedules.get(field.name, getattr(self.margin, field.name))!r}"
            for field in fields(self.margin)
            if not (self.counted and field.name == "counts")
        )
        return " + ".join([f"{name_of(type(self.margin))}({written})", *(str(term) for term in self.terms)])


def parse_objective(text: str, *, trust: bool = True) -> Objective:
    """Read an objective such as "ASoftmax(margin=4, blend=Annealing()) + 0.01 * CenterLoss(alpha=0.5)".

    Args:
        text: one margin, and any number of feature losses, each with its weight in front. Names of losses may be in any
            case. A margin's field may be a schedule, or the name of a paper's: Annealing, LinearWarmup, CosineWarmup,
            ExponentialWarmup, L_SOFTMAX_MNIST, L_SOFTMAX_CIFAR10, L_SOFTMAX_CIFAR10_PLUS, SPHEREFACE_20. A
            margin or a feature loss of one's own is written with its module, package.module:Mine(margin=0.1); a feature
            loss says by the names of its arguments what it takes, see `cones.feature_losses.arguments`. `counts` left
            out are those of the training data.
        trust: whether a loss of one's own may be imported; False for text from a file that somebody else may have
            written.

    Raises:
        TrustError: the text names code of one's own, and trust is False.
        ValueError: the text, a name or a field is wrong; the error says which and what is near.

    Example:
        >>> print(parse_objective("Softmax + 0.01 * CenterLoss"))
        Softmax(scale=1.0) + 0.01 * CenterLoss()
    """
    margins: list[Objective] = []
    terms: list[Term] = []
    check_compound_names(text)
    for node in _summands(parse_tree(text)):
        weight, loss = _weighted(node)
        name = loss.func.id if isinstance(loss, ast.Call) and isinstance(loss.func, ast.Name) else quoted(loss)
        if weight is None:
            if _is_feature_loss(name, trust):
                raise ValueError(f"{quoted(node)}: a feature loss needs its weight in front, 0.01 * {spelled(name)}()")
            margins.append(cast(Objective, evaluate(loss, partial(_margin_or_schedule, trust))))
        elif find_feature_loss(name, trust=trust) is not None:
            terms.append(cast(Term, evaluate(loss, partial(_term, weight, trust))))
        else:
            raise ValueError(
                f"{quoted(node)}: only feature losses have a weight{did_you_mean(name, FEATURE_LOSSES)}; "
                f"expected one of {', '.join(FEATURE_LOSSES)}"
            )
    if len(margins) != 1 or not isinstance(margins[0], Objective):
        raise ValueError(
            f"{brief(text)!r}: expected exactly one margin-softmax loss, such as Softmax or ArcFace(margin=0.3)"
        )
    return replace(margins[0], terms=tuple(terms))


def _summands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        raise ValueError(f"{quoted(node)}: losses are added, not subtracted, and their weights are at least 0")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_summands(node.left), *_summands(node.right)]
    return [node]


def _weighted(node: ast.expr) -> tuple[float | None, ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if isinstance(node.left, ast.Constant) and isinstance(node.left.value, int | float):
            return _checked(float(node.left.value), node), node.right
        match node.left:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return _checked(-float(number), node), node.right
        raise ValueError(f"{quoted(node)}: write the weight in front as a number, 0.01 * CenterLoss()")
    return None, node


def _checked(weight: float, node: ast.expr) -> float:
    if not 0 <= weight < math.inf:
        raise ValueError(f"{quoted(node)}: the weight is {weight:g}, expected a finite number of at least 0")
    return weight


def _is_feature_loss(name: str, trust: bool) -> bool:
    try:
        return find_feature_loss(name, trust=trust) is not None
    except ValueError:  # neither: the error of a margin says so
        return False


def _term(weight: float, trust: bool, name: str, given: dict[str, Any]) -> Term | Margin:
    kind = find_feature_loss(name, trust=trust)
    if kind is None:  # a margin inside, such as that of VPL
        return cast(Margin, call(known_margins(name, trust=trust), "margin", name, given))
    term = Term(weight, kind, tuple(given.items()))
    term.build(1, 1)  # an error of its fields is raised where it was written, before the sizes are known
    return term


def _margin_or_schedule(trust: bool, name: str, given: dict[str, Any]) -> Objective | Schedule:
    if name in PAPER_ANNEALINGS and not given:
        return PAPER_ANNEALINGS[name]
    if name in SCHEDULES:
        for field, value in given.items():
            if type(value) not in (int, float):
                raise ValueError(f"{name}: {brief(field)} is {brief(repr(value))}, expected a number")
        return cast(Schedule, call(SCHEDULES, "schedule", name, given))
    schedules = tuple((field, value) for field, value in given.items() if isinstance(value, Schedule))
    at_first_step = {**given, **{field: schedule(1) for field, schedule in schedules}}
    known = known_margins(name, trust=trust)
    counted = name in known and "counts" in inspect.signature(known[name]).parameters and "counts" not in given
    if counted:
        at_first_step["counts"] = (1,)
    return Objective(call(known, "loss", name, at_first_step), schedules, counted=counted)
